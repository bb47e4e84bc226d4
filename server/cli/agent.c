/* `sense-server agent`: who is there, and whose certificates end. */
#include <stdio.h>

#include "server/cli/commands.h"
#include "server/cli/scope.h"
#include "server/pki/revocation.h"

static int list(struct sense_admin *admin, const struct sense_server_cli *cli, const char *org)
{
	const char *values[] = {org, sense_admin_heartbeat(admin)};
	if (!sense_admin_ask(admin,
	                     "SELECT a.id, o.name AS organization, a.host, a.version, "
	                     "CASE WHEN a.last_seen IS NULL AND a.revoked_at IS NULL THEN 'enrolled' "
	                     "ELSE sense.agent_state(a.last_seen, a.revoked_at, $2::integer) END AS state, "
	                     "to_char(a.last_seen AT TIME ZONE 'UTC', 'YYYY-MM-DD HH24:MI') AS seen_utc, "
	                     "(SELECT to_char(max(c.not_after) AT TIME ZONE 'UTC', 'YYYY-MM-DD') "
	                     " FROM sense.agent_certificates c "
	                     " WHERE c.agent_id = a.id AND c.revoked_at IS NULL) AS certificate_ends "
	                     "FROM sense.agents a JOIN sense.organizations o ON o.id = a.org_id "
	                     "WHERE $1::uuid IS NULL OR o.id = $1 "
	                     "ORDER BY o.name, a.host, a.id",
	                     values, 2))
		return SENSE_SERVER_FAILED;
	return sense_admin_print(admin, sense_server_option(cli, "json") != NULL);
}

static int id_check(const struct sense_server_cli *cli, const struct sense_conf *conf)
{
	(void)conf;
	return sense_uuid_is(cli->operands[1])
	         ? -1
	         : sense_admin_usage("agent",
	                             "agent revoke takes the ID of an agent, as 'agent list' shows it");
}

static int revoke_agent(struct sense_admin *admin, const struct sense_server_cli *cli, const char *org)
{
	char of[SENSE_UUID_TEXT];
	const char *id = cli->operands[1], *why = sense_server_option(cli, "why");
	const char *named[] = {id, org}, *values[] = {id, of, why ? why : "", sense_admin_actor()};
	if (!sense_admin_ask(
		admin, "SELECT org_id FROM sense.agents WHERE id = $1 AND ($2::uuid IS NULL OR org_id = $2)",
		named, 2))
		return SENSE_SERVER_FAILED;
	if (!sense_admin_rows(admin))
		return sense_admin_fail("there is no agent %s", id);
	snprintf(of, sizeof of, "%s", sense_admin_value(admin, 0));
	if (!sense_admin_ask(admin, sense_revocation_revoke.sql, values, 4))
		return SENSE_SERVER_FAILED;
	if (!*sense_admin_value(admin, 0))
		return sense_admin_fail("agent %s was revoked before", id);
	printf("agent %s is revoked: servers end its connections, and take none of its certificates again\n",
	       id);
	return SENSE_SERVER_OK;
}

static const struct sense_scope_action actions[] = {
    {.name = "list", .operands = "no operands", .all = true, .run = list},
    {.name = "revoke",
     .operands_min = 1,
     .operands_max = 1,
     .operands = "the ID of an agent, as 'agent list' shows it",
     .all = true,
     .run = revoke_agent,
     .before = id_check},
    {.name = NULL},
};

static int run(const struct sense_server_cli *cli, struct sense_conf *conf)
{
	return sense_scope_run(cli, conf, actions);
}

static const struct sense_server_option options[] = {
    {"org", "NAME", "agents of this organization alone"},
    {"why", "TEXT", "of revoke: what is written down"},
    {"json", NULL, "of list: as JSON, one object a line"},
    {NULL, NULL, NULL},
};

const struct sense_server_command sense_command_agent = {
    .name = "agent",
    .operands = "list | revoke ID",
    .operands_min = 1,
    .operands_max = 2,
    .doc = "list agents, and revoke one with all its certificates",
    .more = "What an agent has reported stays. To come back it must enrol anew, as another agent.",
    .options = options,
    .run = run,
};
