/* `policy roll-out` and `policy rollback`: what is signed, and for whom. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "core/conf/units.h"
#include "core/show/json.h"
#include "server/cli/policy.h"
#include "server/pki/ca.h"
#include "server/policy/seal.h"
#include "server/policy/tryout.h"

enum { STEPS_MAX = 20, PAUSE_MAX_S = 30 * 86400 };

static struct sense_signer_key unlocked; /* while a command that signs runs */
static struct sense_tryout tryout;

/* Before there is a connection to the database: without the key there is nothing to be done. */
int sense_policy_cli_unlock(const struct sense_server_cli *cli, const struct sense_conf *conf)
{
	sense_error err;
	if (!sense_ca_unlock_policy(sense_conf_text(conf, SENSE_SERVER_KEY_SERVER_DIR),
	                            sense_server_option(cli, "passphrase-file"), &unlocked, &err))
		return -1;
	return sense_admin_fail(
	    "%s. Rollouts are signed with the policy key of the CA's directory (server.dir)", err.message);
}

void sense_policy_cli_lock(void)
{
	sense_signer_key_free(&unlocked);
	sense_tryout_end(&tryout);
}

/* What tries settings begins before the key is in memory. */
int sense_policy_cli_roll_out_before(const struct sense_server_cli *cli, const struct sense_conf *conf)
{
	sense_error err;
	if (sense_server_option(cli, "param") && sense_tryout_begin(&tryout, &err))
		return sense_admin_fail("%s", err.message);
	return sense_policy_cli_unlock(cli, conf);
}

/* ---- what was given ----------------------------------------------------------------------------------- */

/* What a rollout is, as the database takes it: texts, NULL is NULL. */
struct rollout {
	char hash[SENSE_PACK_HEX], group[SENSE_UUID_TEXT], percent[8], steps[8 * STEPS_MAX], pause[32],
	    halt_at[32];
	char generation[24], back_from[24];
	bool to_group, dry_run;
	json_t *labels, *settings;
	unsigned reached;
};

static void rollout_fini(struct rollout *rollout)
{
	json_decref(rollout->labels);
	json_decref(rollout->settings);
}

static bool percent_of(const char *text, unsigned *out)
{
	char *end;
	unsigned long percent = strtoul(text, &end, 10);
	*out = (unsigned)percent;
	return *text >= '0' && *text <= '9' && (!*end || !strcmp(end, "%")) && percent <= 100;
}

bool sense_policy_cli_share(const char *text, char *out, size_t cap)
{
	char *end;
	double percent = strtod(text, &end);
	bool good =
	    *text >= '0' && *text <= '9' && (!*end || !strcmp(end, "%")) && percent >= 0 && percent <= 100;
	if (good)
		snprintf(out, cap, "%.6f", percent / 100);
	else
		sense_admin_usage("policy", "--halt-at takes a share of 0%% to 100%%, not '%s'", text);
	return good;
}

/* "25,50,100" as "{25,50,100}": each above the one before. */
static bool steps_take(const char *list, unsigned percent, struct rollout *rollout)
{
	char copy[8 * STEPS_MAX];
	unsigned last = percent, step, count = 0;
	size_t len = 1;
	memcpy(rollout->steps, "{", sizeof "{");
	if (list && snprintf(copy, sizeof copy, "%s", list) >= (int)sizeof copy)
		return false;
	for (char *rest = copy, *one; list && (one = strsep(&rest, ","));) {
		if (count == STEPS_MAX || !percent_of(one, &step) || step <= last)
			return false;
		len += (size_t)snprintf(rollout->steps + len, sizeof rollout->steps - len, "%s%u",
		                        count ? "," : "", step);
		count++;
		last = step;
	}
	snprintf(rollout->steps + len, sizeof rollout->steps - len, "}");
	return true;
}

static bool pace_take(const struct sense_server_cli *cli, struct rollout *rollout)
{
	const char *percent = sense_server_option(cli, "percent"), *steps = sense_server_option(cli, "steps");
	const char *pause = sense_server_option(cli, "pause"), *halt_at = sense_server_option(cli, "halt-at");
	unsigned first = 100;
	uint64_t us = 600 * UINT64_C(1000000);
	if (percent && !percent_of(percent, &first)) {
		sense_admin_usage("policy", "--percent takes a number from 0 to 100, not '%s'", percent);
		return false;
	}
	if (steps && !percent) {
		sense_admin_usage("policy", "--steps goes with --percent, which says where to begin");
		return false;
	}
	if (!steps_take(steps, first, rollout)) {
		sense_admin_usage(
		    "policy",
		    "--steps takes percentages as 25,50,100, each above the one before and the first "
		    "above --percent, not '%s'",
		    steps);
		return false;
	}
	if (pause && (!sense_duration_parse(pause, &us) || us / 1000000 > PAUSE_MAX_S)) {
		sense_admin_usage("policy", "--pause takes a time of at most 30d, not '%s'", pause);
		return false;
	}
	snprintf(rollout->percent, sizeof rollout->percent, "%u", first);
	snprintf(rollout->pause, sizeof rollout->pause, "%llu milliseconds", (unsigned long long)(us / 1000));
	return sense_policy_cli_share(halt_at ? halt_at : "5%", rollout->halt_at, sizeof rollout->halt_at);
}

static bool pairs_take(const struct sense_server_cli *cli, const char *option, json_t *out, bool texts)
{
	sense_error err;
	unsigned at = 0;
	for (const char *pair; (pair = sense_server_option_next(cli, option, &at));) {
		const char *equals = strchr(pair, '=');
		char key[256];
		if (!texts && sense_seal_setting(out, pair, &err)) {
			sense_admin_usage("policy", "--%s: %s", option, err.message);
			return false;
		}
		if (!texts)
			continue;
		snprintf(key, sizeof key, "%.*s", equals ? (int)(equals - pair) : 0, pair);
		if (!*key || json_object_set_new(out, key, json_string(equals + 1))) {
			sense_admin_usage("policy", "--%s takes KEY=VALUE, not '%s'", option, pair);
			return false;
		}
	}
	return true;
}

/* Agents that cannot load them would halt the rollout: better none begins. */
static bool settings_good(struct sense_admin *admin, const char *org, const struct rollout *rollout)
{
	static uint8_t params[SENSE_MANIFEST_PARAMS_MAX];
	struct sense_pack pack;
	if (!json_object_size(rollout->settings))
		return true;
	size_t len = sense_seal_settings(rollout->settings, params, sizeof params);
	if (!len) {
		sense_admin_fail("these settings do not go into a manifest of %zu KiB",
		                 SENSE_MANIFEST_MAX >> 10);
		return false;
	}
	if (!sense_scope_pack(admin, org, rollout->hash, &pack))
		return false;
	bool good = sense_tryout_ask(&tryout, &pack, params, len);
	sense_pack_fini(&pack);
	if (!good)
		sense_admin_fail("bundle %.12s does not load with these settings: nothing was signed",
		                 rollout->hash);
	return good;
}

/* ---- signing and writing down ------------------------------------------------------------------------- */

static bool rollout_write(struct sense_admin *admin, const char *org, struct rollout *rollout,
                          const struct sense_seal *seal)
{
	char hash[SENSE_PACK_HEX + 2];
	char *manifest = sense_admin_bytea(seal->manifest, seal->len),
	     *signature = sense_admin_bytea(seal->signature, sizeof seal->signature);
	char *labels = json_dumps(rollout->labels, 0), *settings = json_dumps(rollout->settings, 0);
	snprintf(hash, sizeof hash, "\\x%s", rollout->hash);
	const char *values[] = {org,
	                        rollout->generation,
	                        hash,
	                        manifest,
	                        signature,
	                        rollout->to_group ? rollout->group : NULL,
	                        labels,
	                        settings,
	                        rollout->dry_run ? "true" : "false",
	                        rollout->percent,
	                        rollout->steps,
	                        rollout->pause,
	                        rollout->halt_at,
	                        *rollout->back_from ? rollout->back_from : NULL,
	                        sense_admin_actor()};
	bool good = manifest && signature && labels && settings &&
	            sense_admin_ask(admin,
	                            "SELECT sense.rollout_begin($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, "
	                            "$11, $12, $13, $14, $15)",
	                            values, 15);
	if (good)
		rollout->reached = (unsigned)strtoul(sense_admin_value(admin, 0), NULL, 10);
	free(manifest);
	free(signature);
	free(labels);
	free(settings);
	return good;
}

/* Within a transaction, in which the organization's next number is this one's. */
static bool rollout_sign(struct sense_admin *admin, const char *org, struct rollout *rollout)
{
	static struct sense_seal seal;
	sense_error err;
	struct sense_pack pack;
	if (!sense_scope_pack(admin, org, rollout->hash, &pack) ||
	    !sense_admin_ask(admin, "SELECT sense.next_generation($1)", &org, 1))
		return false;
	snprintf(rollout->generation, sizeof rollout->generation, "%s", sense_admin_value(admin, 0));
	const struct sense_seal_what what = {.organization = org,
	                                     .generation = strtoull(rollout->generation, NULL, 10),
	                                     .hash = pack.hash,
	                                     .size = pack.len,
	                                     .observe = rollout->dry_run,
	                                     .settings = rollout->settings};
	bool good = !sense_seal_make(&what, &unlocked, &seal, &err);
	sense_pack_fini(&pack);
	if (!good)
		sense_admin_fail("%s", err.message);
	return good && rollout_write(admin, org, rollout, &seal);
}

static int rollout_tell(const struct sense_server_cli *cli, const struct rollout *rollout)
{
	struct sense_buf out;
	struct sense_json json = {.out = &out};
	if (!sense_server_option(cli, "json")) {
		printf(
		    "generation %s: bundle %.12s to %s percent%s%s, which reaches %u agents that were "
		    "heard of lately\n",
		    rollout->generation, rollout->hash, rollout->percent,
		    *rollout->back_from ? ", back from generation " : "", rollout->back_from,
		    rollout->reached);
		if (rollout->dry_run)
			puts("dry run: what its rules find has the action 'observe'");
		return SENSE_SERVER_OK;
	}
	sense_buf_init(&out, 0);
	sense_json_open(&json, '{');
	sense_json_member_uint(&json, "generation", strtoull(rollout->generation, NULL, 10));
	sense_json_member(&json, "hash", rollout->hash);
	sense_json_member_uint(&json, "percent", strtoull(rollout->percent, NULL, 10));
	sense_json_member_bool(&json, "dry_run", rollout->dry_run);
	sense_json_member_uint(&json, "back_from",
	                       strtoull(*rollout->back_from ? rollout->back_from : "0", NULL, 10));
	sense_json_member_uint(&json, "reached", rollout->reached);
	sense_json_close(&json, '}');
	puts(sense_buf_str(&out));
	sense_buf_fini(&out);
	return SENSE_SERVER_OK;
}

static int rollout_do(struct sense_admin *admin, const struct sense_server_cli *cli, const char *org,
                      struct rollout *rollout)
{
	if (!rollout_sign(admin, org, rollout) || !sense_admin_ask(admin, "COMMIT", NULL, 0))
		return SENSE_SERVER_FAILED; /* the connection ends, and with it the transaction */
	return rollout_tell(cli, rollout);
}

/* ---- the commands ------------------------------------------------------------------------------------- */

int sense_policy_cli_roll_out(struct sense_admin *admin, const struct sense_server_cli *cli, const char *org)
{
	const char *group = sense_server_option(cli, "group");
	struct rollout rollout = {.labels = json_object(),
	                          .settings = json_object(),
	                          .to_group = group != NULL,
	                          .dry_run = sense_server_option(cli, "dry-run") != NULL};
	int code = SENSE_SERVER_USAGE;
	if (pace_take(cli, &rollout) && pairs_take(cli, "label", rollout.labels, true) &&
	    pairs_take(cli, "param", rollout.settings, false)) {
		code = SENSE_SERVER_FAILED;
		if ((!group || sense_scope_group(admin, org, group, rollout.group)) &&
		    sense_scope_bundle(admin, org, cli->operands[1], rollout.hash) &&
		    settings_good(admin, org, &rollout) && sense_admin_ask(admin, "BEGIN", NULL, 0))
			code = rollout_do(admin, cli, org, &rollout);
	}
	rollout_fini(&rollout);
	return code;
}

int sense_policy_cli_rollback(struct sense_admin *admin, const struct sense_server_cli *cli, const char *org)
{
	struct rollout rollout = {.percent = "100", .steps = "{}", .pause = "0", .halt_at = "1"};
	int code = SENSE_SERVER_FAILED;
	/* The lock on the organization's row keeps others from rolling out meanwhile. */
	if (!sense_admin_ask(admin, "BEGIN", NULL, 0) ||
	    !sense_admin_ask(admin, "SELECT FROM sense.organizations WHERE id = $1 FOR UPDATE", &org, 1) ||
	    !sense_admin_ask(admin,
	                     "SELECT encode(hash, 'hex'), group_id, labels, parameters, dry_run, back_from "
	                     "FROM sense.rollback_of($1)",
	                     &org, 1))
		return code;
	if (!sense_admin_rows(admin))
		return sense_admin_fail(
		    "there is no rollout to go back to; roll out another bundle, or halt this one");
	snprintf(rollout.hash, sizeof rollout.hash, "%s", sense_admin_value(admin, 0));
	snprintf(rollout.group, sizeof rollout.group, "%s", sense_admin_value(admin, 1));
	rollout.to_group = *rollout.group;
	rollout.labels = json_loads(sense_admin_value(admin, 2), 0, NULL);
	rollout.settings = json_loads(sense_admin_value(admin, 3), 0, NULL);
	rollout.dry_run = *sense_admin_value(admin, 4) == 't';
	snprintf(rollout.back_from, sizeof rollout.back_from, "%s", sense_admin_value(admin, 5));
	if (rollout.labels && rollout.settings)
		code = rollout_do(admin, cli, org, &rollout);
	rollout_fini(&rollout);
	return code;
}
