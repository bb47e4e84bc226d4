/* `sense-server org`: organizations, which see nothing of each other. */
#include <stdio.h>

#include "server/cli/commands.h"
#include "server/cli/scope.h"

static int name_check(const struct sense_server_cli *cli, const struct sense_conf *conf)
{
	(void)conf;
	return sense_admin_name_good(cli->operands[1])
	         ? -1
	         : sense_admin_usage("org", "org create takes a NAME of 1 to 200 bytes, on one line");
}

static int create(struct sense_admin *admin, const struct sense_server_cli *cli, const char *org)
{
	const char *name = cli->operands[1], *values[] = {name, sense_admin_actor()};
	(void)org;
	if (!sense_admin_ask(admin,
	                     "WITH o AS (INSERT INTO sense.organizations (name) VALUES ($1) "
	                     "ON CONFLICT (name) DO NOTHING RETURNING id), "
	                     "l AS (INSERT INTO sense.audit_log (org_id, actor, action) "
	                     "SELECT id, $2, 'organization.create' FROM o) "
	                     "SELECT id FROM o",
	                     values, 2))
		return SENSE_SERVER_FAILED;
	if (!sense_admin_rows(admin))
		return sense_admin_fail("there is an organization '%s' already", name);
	puts(sense_admin_value(admin, 0));
	return SENSE_SERVER_OK;
}

static int list(struct sense_admin *admin, const struct sense_server_cli *cli, const char *org)
{
	(void)org;
	if (!sense_admin_ask(
		admin,
		"SELECT o.id, o.name, "
		"(SELECT count(*) FROM sense.agents a WHERE a.org_id = o.id AND a.revoked_at IS NULL) AS agents, "
		"to_char(o.created AT TIME ZONE 'UTC', 'YYYY-MM-DD') AS created "
		"FROM sense.organizations o ORDER BY o.name",
		NULL, 0))
		return SENSE_SERVER_FAILED;
	return sense_admin_print(admin, sense_server_option(cli, "json") != NULL);
}

static const struct sense_scope_action actions[] = {
    {.name = "create",
     .operands_min = 1,
     .operands_max = 1,
     .operands = "a NAME",
     .all = true,
     .run = create,
     .before = name_check},
    {.name = "list", .operands = "no operands", .all = true, .run = list},
    {.name = NULL},
};

static int run(const struct sense_server_cli *cli, struct sense_conf *conf)
{
	return sense_scope_run(cli, conf, actions);
}

static const struct sense_server_option options[] = {
    {"json", NULL, "of list: as JSON, one object a line"},
    {NULL, NULL, NULL},
};

const struct sense_server_command sense_command_org = {
    .name = "org",
    .operands = "create NAME | list",
    .operands_min = 1,
    .operands_max = 2,
    .doc = "make an organization, and list them",
    .options = options,
    .run = run,
};
