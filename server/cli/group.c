/* `sense-server group`: agents that rollouts can be meant for. */
#include <stdio.h>
#include <string.h>

#include "server/cli/commands.h"
#include "server/cli/scope.h"

enum { AGENTS_MAX = 60 }; /* in one command */

static int create(struct sense_admin *admin, const struct sense_server_cli *cli, const char *org)
{
	const char *name = cli->operands[1], *values[] = {org, name, sense_admin_actor()};
	if (!sense_admin_name_good(name))
		return sense_admin_usage("group", "a group's NAME has 1 to 200 bytes, on one line");
	if (!sense_admin_ask(
		admin,
		"WITH g AS (INSERT INTO sense.agent_groups (org_id, name) VALUES ($1, $2) "
		"ON CONFLICT DO NOTHING RETURNING id, org_id), "
		"l AS (INSERT INTO sense.audit_log (org_id, actor, action, target, details) "
		"SELECT org_id, $3, 'group.create', id::text, jsonb_build_object('name', $2::text) FROM g) "
		"SELECT id FROM g",
		values, 3))
		return SENSE_SERVER_FAILED;
	if (!sense_admin_rows(admin))
		return sense_admin_fail("there is a group '%s' already", name);
	puts(sense_admin_value(admin, 0));
	return SENSE_SERVER_OK;
}

/* Agents' policies may be others then: servers look at once. */
static const char adds[] =
    "WITH m AS (INSERT INTO sense.agent_group_members (org_id, group_id, agent_id) "
    "VALUES ($1, $2, $3) ON CONFLICT DO NOTHING RETURNING 1), "
    "l AS (INSERT INTO sense.audit_log (org_id, actor, action, target, details) "
    "SELECT $1, $4, 'group.add', $2, jsonb_build_object('agent', $3::text) FROM m) "
    "SELECT count(*), pg_notify('sense_policy', $1::text) FROM m";
static const char removes[] =
    "WITH m AS (DELETE FROM sense.agent_group_members "
    "WHERE org_id = $1 AND group_id = $2 AND agent_id = $3 RETURNING 1), "
    "l AS (INSERT INTO sense.audit_log (org_id, actor, action, target, details) "
    "SELECT $1, $4, 'group.remove', $2, jsonb_build_object('agent', $3::text) FROM m) "
    "SELECT count(*), pg_notify('sense_policy', $1::text) FROM m";

/* All of the agents, or none. */
static int members_change(struct sense_admin *admin, const struct sense_server_cli *cli, const char *org,
                          const char *statement)
{
	char group[SENSE_UUID_TEXT], agent[SENSE_UUID_TEXT];
	unsigned changed = 0;
	const char *values[] = {org, group, agent, sense_admin_actor()};
	if (!sense_scope_group(admin, org, cli->operands[1], group) ||
	    !sense_admin_ask(admin, "BEGIN", NULL, 0))
		return SENSE_SERVER_FAILED;
	for (unsigned i = 2; i < cli->operand_count; i++) {
		if (!sense_scope_agent(admin, org, cli->operands[i], agent) ||
		    !sense_admin_ask(admin, statement, values, 4))
			return SENSE_SERVER_FAILED;
		changed += *sense_admin_value(admin, 0) == '1';
	}
	if (!sense_admin_ask(admin, "COMMIT", NULL, 0))
		return SENSE_SERVER_FAILED;
	printf("%u of %u agents %s\n", changed, cli->operand_count - 2,
	       statement == adds ? "were added, the others were there"
	                         : "were removed, the others were not there");
	return SENSE_SERVER_OK;
}

static int add(struct sense_admin *admin, const struct sense_server_cli *cli, const char *org)
{
	return members_change(admin, cli, org, adds);
}

static int take_out(struct sense_admin *admin, const struct sense_server_cli *cli, const char *org)
{
	return members_change(admin, cli, org, removes);
}

static int list(struct sense_admin *admin, const struct sense_server_cli *cli, const char *org)
{
	if (!sense_admin_ask(
		admin,
		"SELECT g.name AS group, g.id, "
		"(SELECT count(*) FROM sense.agent_group_members m "
		" WHERE m.org_id = g.org_id AND m.group_id = g.id) AS agents, "
		"(SELECT max(r.generation) FROM sense.policy_rollouts r "
		" WHERE r.org_id = g.org_id AND r.group_id = g.id AND r.state <> 'replaced') AS generation "
		"FROM sense.agent_groups g WHERE g.org_id = $1 ORDER BY g.name",
		&org, 1))
		return SENSE_SERVER_FAILED;
	return sense_admin_print(admin, sense_server_option(cli, "json") != NULL);
}

static const struct sense_scope_action actions[] = {
    {.name = "create", .operands_min = 1, .operands_max = 1, .operands = "a NAME", .run = create},
    {.name = "add",
     .operands_min = 2,
     .operands_max = AGENTS_MAX + 1,
     .operands = "the NAME of a group, and AGENTs",
     .run = add},
    {.name = "remove",
     .operands_min = 2,
     .operands_max = AGENTS_MAX + 1,
     .operands = "the NAME of a group, and AGENTs",
     .run = take_out},
    {.name = "list", .operands = "no operands", .run = list},
    {.name = NULL},
};

static int run(const struct sense_server_cli *cli, struct sense_conf *conf)
{
	return sense_scope_run(cli, conf, actions);
}

static const struct sense_server_option options[] = {
    {"org", "NAME", "organization; not needed when there is only one"},
    {"json", NULL, "of list: as JSON, one object a line"},
    {NULL, NULL, NULL},
};

const struct sense_server_command sense_command_group = {
    .name = "group",
    .operands = "create NAME | add NAME AGENT... | remove NAME AGENT... | list",
    .operands_min = 1,
    .operands_max = AGENTS_MAX + 2,
    .doc = "make groups of agents, for rollouts to reach",
    .more =
	"  sense-server group create pilots\n"
	"  sense-server group add pilots laptop-17 laptop-18\n\n"
	"AGENT is an id, or the name of a host with one agent. An agent that leaves a group\n"
	"keeps the policies it has until a newer rollout reaches it.",
    .options = options,
    .run = run,
};
