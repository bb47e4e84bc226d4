/* `sense-server command`: what agents can be told to do, from a fixed list. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "core/conf/units.h"
#include "core/show/text.h"
#include "server/cli/commands.h"
#include "server/cli/scope.h"

enum { EXPIRES_MAX_S = 7 * 86400, LOOK_MS = 250 };

/* ---- the list ----------------------------------------------------------------------------------------- */

static const struct known {
	const char *word;     /* as it is given */
	const char *name;     /* to the agent */
	const char *argument; /* that it takes; NULL: none */
	const char *values[5];
} known[] = {
    {"scan", "scan", NULL, {NULL}},
    {"reload", "reload", NULL, {NULL}},
    {"diagnose", "diagnose", NULL, {NULL}},
    {"log-level", "log_level", "level", {"error", "warn", "info", "debug", NULL}},
};

static const struct known *known_find(const char *word)
{
	for (unsigned i = 0; i < sizeof known / sizeof *known; i++)
		if (!strcmp(known[i].word, word))
			return &known[i];
	sense_admin_usage("command", "agents know scan, reload, diagnose and log-level, not '%.64s'", word);
	return NULL;
}

/* As JSON, which needs no escapes: the values are of the list. False: said. */
static bool arguments_make(const struct known *command, const char *value, char *out, size_t cap)
{
	snprintf(out, cap, "{}");
	if (!command->argument && !value)
		return true;
	for (unsigned i = 0; value && command->argument && command->values[i]; i++)
		if (!strcmp(command->values[i], value)) {
			snprintf(out, cap, "{\"%s\": \"%s\"}", command->argument, value);
			return true;
		}
	if (command->argument)
		sense_admin_usage("command", "%s takes error, warn, info or debug", command->word);
	else
		sense_admin_usage("command", "%s takes nothing, not '%.64s'", command->word, value);
	return false;
}

/* ---- give --------------------------------------------------------------------------------------------- */

static const char results[] =
    "SELECT coalesce(status, ''), coalesce(detail, ''), output "
    "FROM sense.commands WHERE org_id = $1 AND id = $2";

/* Texts of agents: terminals must not obey them. */
static void text_print(const char *text, FILE *out)
{
	char line[1024], clean[sizeof line];
	while (*text) {
		size_t len = strcspn(text, "\n");
		snprintf(line, sizeof line, "%.*s", (int)(len < sizeof line ? len : sizeof line - 1), text);
		sense_text_clean(line, clean, sizeof clean);
		fprintf(out, "%s\n", clean);
		text += len + (text[len] == '\n');
	}
}

/* Of the latest statement, which is `results`. */
static int result_tell(struct sense_admin *admin)
{
	size_t len = 0;
	bool done = !strcmp(sense_admin_value(admin, 0), "done");
	unsigned char *output = PQunescapeBytea((const unsigned char *)sense_admin_value(admin, 2), &len);
	char *text = output ? strndup((const char *)output, len) : NULL;
	fprintf(stderr, "%s\n", sense_admin_value(admin, 0));
	text_print(sense_admin_value(admin, 1), stderr);
	text_print(text ? text : "", stdout);
	free(text);
	PQfreemem(output);
	return done ? SENSE_SERVER_OK : SENSE_SERVER_FAILED;
}

/* Until its result has come, or its time is over. */
static int result_await(struct sense_admin *admin, const char *org, const char *id, uint64_t seconds)
{
	const char *values[] = {org, id};
	time_t until = time(NULL) + (time_t)seconds + 1;
	while (time(NULL) <= until) {
		if (!sense_admin_ask(admin, results, values, 2))
			return SENSE_SERVER_FAILED;
		if (*sense_admin_value(admin, 0))
			return result_tell(admin);
		nanosleep(&(struct timespec){.tv_nsec = LOOK_MS * 1000000}, NULL);
	}
	return sense_admin_fail("command %s: the agent gave no result in its time", id);
}

static int give(struct sense_admin *admin, const struct sense_server_cli *cli, const char *org)
{
	char agent[SENSE_UUID_TEXT], id[SENSE_UUID_TEXT], arguments[64], valid[40];
	const char *expires = sense_server_option(cli, "expires");
	uint64_t us = 600 * UINT64_C(1000000);
	const struct known *command = known_find(cli->operands[2]);
	if (!command || !arguments_make(command, cli->operand_count > 3 ? cli->operands[3] : NULL, arguments,
	                                sizeof arguments))
		return SENSE_SERVER_USAGE;
	if (expires && (!sense_duration_parse(expires, &us) || us < 1000000 || us / 1000000 > EXPIRES_MAX_S))
		return sense_admin_usage("command", "--expires takes a time of 1s to 7d, not '%s'", expires);
	snprintf(valid, sizeof valid, "%llu milliseconds", (unsigned long long)(us / 1000));
	if (!sense_scope_agent(admin, org, cli->operands[1], agent))
		return SENSE_SERVER_FAILED;
	const char *values[] = {org, agent, command->name, arguments, valid, sense_admin_actor()};
	if (!sense_admin_ask(admin, "SELECT sense.command_give($1, $2, $3, $4, $5, $6)", values, 6))
		return SENSE_SERVER_FAILED;
	snprintf(id, sizeof id, "%s", sense_admin_value(admin, 0));
	if (!*id)
		return sense_admin_fail("agent %s is revoked: it is told nothing any more", agent);
	if (!sense_server_option(cli, "wait")) {
		puts(id);
		return SENSE_SERVER_OK;
	}
	fprintf(stderr, "command %s is given\n", id);
	return result_await(admin, org, id, us / 1000000);
}

/* ---- list, show --------------------------------------------------------------------------------------- */

static int list(struct sense_admin *admin, const struct sense_server_cli *cli, const char *org)
{
	char agent[SENSE_UUID_TEXT];
	const char *name = sense_server_option(cli, "agent"), *values[] = {org, name ? agent : NULL};
	if (name && !sense_scope_agent(admin, org, name, agent))
		return SENSE_SERVER_FAILED;
	if (!sense_admin_ask(
		admin,
		"SELECT c.id, a.host, replace(c.name, '_', '-') AS command, "
		"(SELECT string_agg(value, ' ') FROM jsonb_each_text(c.arguments)) AS with, "
		"CASE WHEN c.status IS NOT NULL THEN c.status WHEN c.expires_at <= now() THEN 'expired' "
		"WHEN c.sent_at IS NULL THEN 'waits' ELSE 'sent' END AS state, "
		"to_char(c.created AT TIME ZONE 'UTC', 'YYYY-MM-DD HH24:MI') AS given_utc, "
		"c.created_by AS by, c.detail "
		"FROM sense.commands c "
		"JOIN sense.agents a ON a.org_id = c.org_id AND a.id = c.agent_id "
		"WHERE c.org_id = $1 AND ($2::uuid IS NULL OR c.agent_id = $2) "
		"ORDER BY c.created DESC LIMIT 100",
		values, 2))
		return SENSE_SERVER_FAILED;
	return sense_admin_print(admin, sense_server_option(cli, "json") != NULL);
}

static int show(struct sense_admin *admin, const struct sense_server_cli *cli, const char *org)
{
	const char *values[] = {org, cli->operands[1]};
	if (!sense_admin_ask(admin, results, values, 2))
		return SENSE_SERVER_FAILED;
	if (!sense_admin_rows(admin))
		return sense_admin_fail("the organization has no command %s: see 'sense-server command list'",
		                        cli->operands[1]);
	if (!*sense_admin_value(admin, 0))
		return sense_admin_fail("command %s has no result yet", cli->operands[1]);
	return result_tell(admin);
}

static const struct sense_scope_action actions[] = {
    {.name = "give",
     .operands_min = 2,
     .operands_max = 3,
     .operands = "an AGENT and one of scan, reload, diagnose, log-level LEVEL",
     .run = give},
    {.name = "list", .operands = "no operands", .run = list},
    {.name = "show", .operands_min = 1, .operands_max = 1, .operands = "the ID of a command", .run = show},
    {.name = NULL},
};

static int run(const struct sense_server_cli *cli, struct sense_conf *conf)
{
	return sense_scope_run(cli, conf, actions);
}

static const struct sense_server_option options[] = {
    {"org", "NAME", "organization; not needed when there is only one"},
    {"expires", "TIME", "of give: the agent does it within that time or not at all (10m)"},
    {"wait", NULL, "of give: until its result has come, which is printed"},
    {"agent", "AGENT", "of list: those of this agent alone"},
    {"json", NULL, "of list: as JSON, one object a line"},
    {NULL, NULL, NULL},
};

const struct sense_server_command sense_command_command = {
    .name = "command",
    .operands = "give AGENT scan|reload|diagnose|log-level [LEVEL] | list | show ID",
    .operands_min = 1,
    .operands_max = 4,
    .doc = "have an agent do something, and see what came of it",
    .more =
	"  sense-server command give laptop-17 scan --wait\n"
	"  sense-server command give 0190a1b2-... log-level debug --expires 1h\n"
	"  sense-server command list --agent laptop-17\n\n"
	"AGENT is an id, or the name of a host with one agent. There are no other commands than\n"
	"these; each one that is given is in the audit log.",
    .options = options,
    .run = run,
};
