#include "server/cli/scope.h"

#include <stdio.h>
#include <string.h>

#include "proto/hex.h"
#include "proto/message.h"

enum { DIGITS_LEAST = 8 };

/* Of the latest statement: exactly one row. */
static bool one_row(struct sense_admin *admin, char *out, size_t cap)
{
	if (sense_admin_rows(admin) != 1)
		return false;
	snprintf(out, cap, "%s", sense_admin_value(admin, 0));
	return true;
}

bool sense_scope_org(struct sense_admin *admin, const struct sense_server_cli *cli, char out[SENSE_UUID_TEXT])
{
	const char *name = sense_server_option(cli, "org");
	if (name)
		return sense_admin_org(admin, name, out);
	if (!sense_admin_ask(admin, "SELECT id FROM sense.organizations LIMIT 2", NULL, 0))
		return false;
	if (one_row(admin, out, SENSE_UUID_TEXT))
		return true;
	if (sense_admin_rows(admin))
		sense_admin_usage(cli->command->name,
		                  "there are several organizations: say which one (--org)");
	else
		sense_admin_fail("there is no organization yet: make one ('sense-server org create NAME')");
	return false;
}

bool sense_scope_group(struct sense_admin *admin, const char *org, const char *name,
                       char out[SENSE_UUID_TEXT])
{
	const char *values[] = {org, name};
	if (!sense_admin_ask(admin, "SELECT id FROM sense.agent_groups WHERE org_id = $1 AND name = $2",
	                     values, 2))
		return false;
	if (one_row(admin, out, SENSE_UUID_TEXT))
		return true;
	sense_admin_fail("the organization has no group '%s': see 'sense-server group list'", name);
	return false;
}

bool sense_scope_agent(struct sense_admin *admin, const char *org, const char *name,
                       char out[SENSE_UUID_TEXT])
{
	const char *values[] = {org, name};
	const char *by_id = "SELECT id FROM sense.agents WHERE org_id = $1 AND id = $2";
	const char *by_host =
	    "SELECT id FROM sense.agents WHERE org_id = $1 AND host = $2 AND revoked_at IS NULL LIMIT 2";
	if (!sense_admin_ask(admin, sense_uuid_is(name) ? by_id : by_host, values, 2))
		return false;
	if (one_row(admin, out, SENSE_UUID_TEXT))
		return true;
	if (sense_admin_rows(admin))
		sense_admin_fail(
		    "several agents are on a host '%s': take the id, as 'sense-server agent list' has it",
		    name);
	else
		sense_admin_fail("the organization has no agent '%s': see 'sense-server agent list'", name);
	return false;
}

bool sense_scope_bundle(struct sense_admin *admin, const char *org, const char *digits,
                        char out[SENSE_PACK_HEX])
{
	const char *values[] = {org, digits};
	size_t len = strspn(digits, "0123456789abcdef");
	if (digits[len] || len < DIGITS_LEAST || len >= SENSE_PACK_HEX) {
		sense_admin_fail("'%s' is not the hash of a bundle: at least %d of its first digits, 0-9 a-f",
		                 digits, DIGITS_LEAST);
		return false;
	}
	if (!sense_admin_ask(admin,
	                     "SELECT encode(hash, 'hex') FROM sense.policies "
	                     "WHERE org_id = $1 AND starts_with(encode(hash, 'hex'), $2) LIMIT 2",
	                     values, 2))
		return false;
	if (one_row(admin, out, SENSE_PACK_HEX))
		return true;
	if (sense_admin_rows(admin))
		sense_admin_fail("several bundles begin with %s: give more digits", digits);
	else
		sense_admin_fail("the organization has no bundle %s: see 'sense-server policy list'", digits);
	return false;
}

bool sense_scope_pack(struct sense_admin *admin, const char *org, const char *hex, struct sense_pack *out)
{
	sense_error err = {.message = "no memory"};
	const char *values[] = {org, hex};
	uint8_t hash[SENSE_PACK_HASH];
	size_t len = 0;
	*out = (struct sense_pack){0};
	if (!sense_admin_ask(
		admin, "SELECT bundle FROM sense.policies WHERE org_id = $1 AND hash = decode($2, 'hex')",
		values, 2))
		return false;
	unsigned char *bytes = PQunescapeBytea((const unsigned char *)sense_admin_value(admin, 0), &len);
	bool good =
	    bytes && sense_hex_bytes(hex, hash, sizeof hash) && !sense_pack_take(bytes, len, hash, out, &err);
	if (!good)
		sense_admin_fail("bundle %s: %s", hex, err.message);
	PQfreemem(bytes);
	return good;
}

/* ---- actions ------------------------------------------------------------------------------------------ */

static int unknown(const struct sense_server_cli *cli, const struct sense_scope_action *actions)
{
	const char *names[16] = {NULL};
	for (unsigned i = 0; i < sizeof names / sizeof *names - 1 && actions[i].name; i++)
		names[i] = actions[i].name;
	const char *near = strlen(cli->operands[0]) <= 64 ? sense_nearest(cli->operands[0], names) : NULL;
	if (near)
		return sense_admin_usage(cli->command->name, "%s has no '%s'; did you mean '%s'?",
		                         cli->command->name, cli->operands[0], near);
	return sense_admin_usage(cli->command->name, "%s takes %s, not '%.64s'", cli->command->name,
	                         cli->command->operands, cli->operands[0]);
}

static bool org_take(struct sense_admin *admin, const struct sense_server_cli *cli, bool all, char *out,
                     const char **org)
{
	*org = all && !sense_server_option(cli, "org") ? NULL : out;
	return !*org || sense_scope_org(admin, cli, out);
}

static int action_run(const struct sense_scope_action *action, const struct sense_server_cli *cli,
                      const struct sense_conf *conf)
{
	struct sense_admin admin;
	char id[SENSE_UUID_TEXT];
	const char *org;
	int code = SENSE_SERVER_FAILED;
	if (sense_admin_open(&admin, conf) && org_take(&admin, cli, action->all, id, &org))
		code = action->run(&admin, cli, org);
	sense_admin_close(&admin);
	return code;
}

int sense_scope_run(const struct sense_server_cli *cli, const struct sense_conf *conf,
                    const struct sense_scope_action *actions)
{
	const struct sense_scope_action *action = actions;
	unsigned behind = cli->operand_count - 1;
	while (action->name && strcmp(action->name, cli->operands[0]))
		action++;
	if (!action->name)
		return unknown(cli, actions);
	if (behind < action->operands_min || behind > action->operands_max)
		return sense_admin_usage(cli->command->name, "%s %s takes %s", cli->command->name,
		                         action->name, action->operands);
	int code = action->before ? action->before(cli, conf) : -1;
	if (code < 0)
		code = action_run(action, cli, conf);
	if (action->after)
		action->after();
	return code;
}
