#include "server/cli/policy.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "core/show/json.h"
#include "server/cli/commands.h"
#include "server/policy/vet.h"

/* ---- add ---------------------------------------------------------------------------------------------- */

/* What was read and found good, before there was a connection to the database. */
static struct {
	struct sense_policy_sources sources;
	struct sense_pack pack;
	unsigned rules;
} added;

static int mistakes_tell(const char *dir, const struct sense_report *report, const sense_error *err)
{
	sense_report_print(report, stderr);
	if (report->count)
		return sense_admin_fail("%s: %u mistake%s, nothing was added", dir, report->count,
		                        report->count == 1 ? "" : "s");
	return sense_admin_fail("%s", err->message);
}

static int add_check(const struct sense_server_cli *cli, const struct sense_conf *conf)
{
	sense_error err;
	struct sense_report report;
	const char *dir = cli->operands[1];
	int code = -1;
	(void)conf;
	sense_policy_sources_init(&added.sources);
	sense_report_init(&report);
	if (sense_pack_read(dir, &added.sources, &err) ||
	    sense_pack_make(&added.sources, &added.pack, &err) ||
	    sense_vet_policies(&added.sources, &added.rules, &report, &err))
		code = mistakes_tell(dir, &report, &err);
	else if (sense_server_option(cli, "test") && !sense_vet_tests(dir, &err))
		code = sense_admin_fail("%s", err.message);
	sense_report_fini(&report);
	return code;
}

static void add_end(void)
{
	sense_pack_fini(&added.pack);
	sense_policy_sources_fini(&added.sources);
}

static int added_tell(const struct sense_server_cli *cli, const char *hex, bool is_new)
{
	struct sense_buf out;
	struct sense_json json = {.out = &out};
	if (!sense_server_option(cli, "json")) {
		puts(hex);
		fprintf(stderr,
		        "%s: %u rule%s in %u file%s, %zu bytes; agents get them by 'sense-server policy "
		        "roll-out'\n",
		        is_new ? "added" : "was there already", added.rules, added.rules == 1 ? "" : "s",
		        added.pack.files, added.pack.files == 1 ? "" : "s", added.pack.len);
		return SENSE_SERVER_OK;
	}
	sense_buf_init(&out, 0);
	sense_json_open(&json, '{');
	sense_json_member(&json, "hash", hex);
	sense_json_member_bool(&json, "new", is_new);
	sense_json_member_uint(&json, "rules", added.rules);
	sense_json_member_uint(&json, "files", added.pack.files);
	sense_json_member_uint(&json, "bytes", added.pack.len);
	sense_json_close(&json, '}');
	puts(sense_buf_str(&out));
	sense_buf_fini(&out);
	return SENSE_SERVER_OK;
}

static int add(struct sense_admin *admin, const struct sense_server_cli *cli, const char *org)
{
	char hex[SENSE_PACK_HEX], rules[16];
	char *bundle = sense_admin_bytea(added.pack.bytes, added.pack.len);
	sense_pack_hex(added.pack.hash, hex);
	snprintf(rules, sizeof rules, "%u", added.rules);
	const char *values[] = {
	    org, hex, bundle, rules, sense_server_option(cli, "note"), sense_admin_actor()};
	bool good =
	    bundle &&
	    sense_admin_ask(
		admin,
		"WITH p AS (INSERT INTO sense.policies (org_id, hash, bundle, rules, note, created_by) "
		"VALUES ($1, decode($2, 'hex'), $3, $4, $5, $6) "
		"ON CONFLICT DO NOTHING RETURNING org_id, hash), "
		"l AS (INSERT INTO sense.audit_log (org_id, actor, action, target, details) "
		"SELECT org_id, $6, 'policy.add', $2, "
		"jsonb_strip_nulls(jsonb_build_object('rules', $4::integer, 'note', $5::text)) FROM p) "
		"SELECT count(*) FROM p",
		values, 6);
	free(bundle);
	return good ? added_tell(cli, hex, !strcmp(sense_admin_value(admin, 0), "1")) : SENSE_SERVER_FAILED;
}

/* ---- list, halt, resume ------------------------------------------------------------------------------- */

static int list(struct sense_admin *admin, const struct sense_server_cli *cli, const char *org)
{
	if (!sense_admin_ask(
		admin,
		"SELECT left(encode(p.hash, 'hex'), CASE WHEN $2 = '' THEN 64 ELSE 12 END) AS hash, p.rules, "
		"length(p.bundle) AS bytes, "
		"to_char(p.created AT TIME ZONE 'UTC', 'YYYY-MM-DD HH24:MI') AS added_utc, "
		"p.created_by AS by, "
		"(SELECT string_agg(r.generation::text || ' ' || r.state, ', ' ORDER BY r.generation DESC) "
		" FROM sense.policy_rollouts r "
		" WHERE r.org_id = p.org_id AND r.hash = p.hash AND r.state <> 'replaced') AS rolled_out, "
		"p.note "
		"FROM sense.policies p WHERE p.org_id = $1 ORDER BY p.created, p.hash",
		(const char *[]){org, sense_server_option(cli, "json") ? "" : "12"}, 2))
		return SENSE_SERVER_FAILED;
	return sense_admin_print(admin, sense_server_option(cli, "json") != NULL);
}

/* Of the operand; without one the latest that can be halted or resumed. False: said. */
static bool generation_find(struct sense_admin *admin, const struct sense_server_cli *cli, const char *org,
                            const char *states, char out[24])
{
	const char *given = cli->operand_count > 1 ? cli->operands[1] : NULL, *values[] = {org, states};
	if (given) {
		bool good = *given && strlen(given) < 19 && !given[strspn(given, "0123456789")];
		snprintf(out, 24, "%s", good ? given : "");
		if (!good)
			sense_admin_usage(
			    "policy", "'%s' is not a generation: see 'sense-server policy status'", given);
		return good;
	}
	if (!sense_admin_ask(admin,
	                     "SELECT generation FROM sense.policy_rollouts "
	                     "WHERE org_id = $1 AND state = ANY ($2::text[]) "
	                     "ORDER BY generation DESC LIMIT 1",
	                     values, 2))
		return false;
	snprintf(out, 24, "%s", sense_admin_value(admin, 0));
	if (!*out)
		sense_admin_fail("there is no such rollout: see 'sense-server policy status'");
	return *out;
}

static int halt(struct sense_admin *admin, const struct sense_server_cli *cli, const char *org)
{
	char generation[24];
	const char *why = sense_server_option(cli, "note");
	const char *values[] = {org, generation, why ? why : "by hand", sense_admin_actor()};
	if (!generation_find(admin, cli, org, "{running,done}", generation) ||
	    !sense_admin_ask(admin, "SELECT sense.rollout_halt($1, $2, $3, $4)", values, 4))
		return SENSE_SERVER_FAILED;
	if (*sense_admin_value(admin, 0) != 't')
		return sense_admin_fail("generation %s is not under way", generation);
	printf("generation %s is halted: agents that have it keep it, no others get it\n", generation);
	return SENSE_SERVER_OK;
}

static int resume(struct sense_admin *admin, const struct sense_server_cli *cli, const char *org)
{
	char generation[24], share[32];
	const char *halt_at = sense_server_option(cli, "halt-at");
	const char *values[] = {org, generation, halt_at ? share : NULL, sense_admin_actor()};
	if (halt_at && !sense_policy_cli_share(halt_at, share, sizeof share))
		return SENSE_SERVER_USAGE;
	if (!generation_find(admin, cli, org, "{halted}", generation) ||
	    !sense_admin_ask(admin, "SELECT sense.rollout_resume($1, $2, $3, $4)", values, 4))
		return SENSE_SERVER_FAILED;
	if (*sense_admin_value(admin, 0) != 't')
		return sense_admin_fail("generation %s is not halted", generation);
	printf("generation %s goes on\n", generation);
	return SENSE_SERVER_OK;
}

/* ---- the command -------------------------------------------------------------------------------------- */

static const struct sense_scope_action actions[] = {
    {.name = "add",
     .operands_min = 1,
     .operands_max = 1,
     .operands = "a directory of policies",
     .run = add,
     .before = add_check,
     .after = add_end},
    {.name = "list", .operands = "no operands", .run = list},
    {.name = "show",
     .operands_min = 1,
     .operands_max = 1,
     .operands = "a HASH",
     .run = sense_policy_cli_show},
    {.name = "diff",
     .operands_min = 2,
     .operands_max = 2,
     .operands = "two HASHes",
     .run = sense_policy_cli_diff},
    {.name = "roll-out",
     .operands_min = 1,
     .operands_max = 1,
     .operands = "a HASH",
     .run = sense_policy_cli_roll_out,
     .before = sense_policy_cli_roll_out_before,
     .after = sense_policy_cli_lock},
    {.name = "status", .operands = "no operands", .run = sense_policy_cli_status},
    {.name = "halt", .operands_max = 1, .operands = "at most a GENERATION", .run = halt},
    {.name = "resume", .operands_max = 1, .operands = "at most a GENERATION", .run = resume},
    {.name = "rollback",
     .operands = "no operands",
     .run = sense_policy_cli_rollback,
     .before = sense_policy_cli_unlock,
     .after = sense_policy_cli_lock},
    {.name = NULL},
};

static int run(const struct sense_server_cli *cli, struct sense_conf *conf)
{
	return sense_scope_run(cli, conf, actions);
}

static const struct sense_server_option options[] = {
    {"org", "NAME", "organization; not needed when there is only one"},
    {"note", "TEXT", "of add: kept with the bundle; of halt: why"},
    {"test", NULL, "of add: run the tests (*_test.lua) first, and refuse when one fails"},
    {"out", "DIR", "of show: write the files there, into a directory that is new or empty"},
    {"group", "NAME", "of roll-out: to the agents of this group alone"},
    {"label", "KEY=VALUE", "of roll-out: to agents with this label alone; may be repeated: with all of them"},
    {"param", "KEY=VALUE",
     "of roll-out: RULE.NAME or *.NAME and its value, as JSON or a text; may be repeated"},
    {"percent", "N", "of roll-out: to so many of the agents at first (100)"},
    {"steps", "LIST", "of roll-out: then to 25,50,100 percent, one after the other"},
    {"pause", "TIME", "of roll-out: between two steps (10m)"},
    {"halt-at", "SHARE", "of roll-out, resume: halt when so many agents fail (5%)"},
    {"dry-run", NULL, "of roll-out: a trial; what rules find has the action 'observe'"},
    {"passphrase-file", "FILE", "of roll-out, rollback: its first line decrypts the policy key"},
    {"json", NULL, "as JSON"},
    {NULL, NULL, NULL},
};

const struct sense_server_command sense_command_policy = {
    .name = "policy",
    .operands = "add DIR | list | show HASH | diff A B | roll-out HASH | status | halt | resume | rollback",
    .operands_min = 1,
    .operands_max = 3,
    .doc = "keep bundles of policies, roll them out to agents, go back",
    .more =
	"  sense-server policy add policies/ --test --note 'chat rules'      prints the bundle's HASH\n"
	"  sense-server policy roll-out 3fa1c2d4 --percent 5 --steps 25,50,100 --pause 30m\n"
	"  sense-server policy roll-out 3fa1c2d4 --group pilots --dry-run\n"
	"  sense-server policy status                                        who has what, and what fails\n"
	"  sense-server policy rollback                                      to what was before, at once\n"
	"  sense-server policy show 3fa1c2d4 --out /tmp/policies             the files, to change\n\n"
	"A hash may be cut to its first eight digits. docs/policies.md tells how rollouts go on\n"
	"and halt.",
    .options = options,
    .run = run,
};
