#include "server/cli/agent.h"

#include <stdio.h>
#include <string.h>

#include "server/cli/admin.h"
#include "server/pki/certificate.h"
#include "server/pki/revocation.h"

/* ---- agents ------------------------------------------------------------------------------------------- */

static int agents_list(const struct sense_server_cli *cli, const struct sense_conf *conf)
{
	struct sense_admin admin;
	const char *org = sense_server_option(cli, "org");
	int code = SENSE_SERVER_FAILED;
	if (sense_admin_open(&admin, conf) &&
	    sense_admin_ask(
		&admin,
		"SELECT a.id, o.name AS organization, a.host, a.version, CASE WHEN a.revoked_at IS NOT NULL "
		"THEN 'revoked' WHEN a.last_seen IS NULL THEN 'enrolled' WHEN a.last_seen > now() - interval "
		"'90 seconds' THEN 'online' ELSE 'offline' END AS state, to_char(a.last_seen AT TIME ZONE "
	        "'UTC', "
		"'YYYY-MM-DD HH24:MI') AS seen_utc, (SELECT to_char(max(c.not_after) AT TIME ZONE 'UTC', "
		"'YYYY-MM-DD') FROM sense.agent_certificates c WHERE c.agent_id = a.id AND c.revoked_at IS "
	        "NULL) "
		"AS certificate_ends FROM sense.agents a JOIN sense.organizations o ON o.id = a.org_id WHERE "
		"$1::text IS NULL OR o.name = $1 ORDER BY o.name, a.host, a.id",
		&org, 1))
		code = sense_admin_print(&admin, sense_server_option(cli, "json") != NULL);
	sense_admin_close(&admin);
	return code;
}

static bool agent_revoke(struct sense_admin *admin, const char *id, const char *why)
{
	char org[SENSE_UUID_TEXT];
	const char *values[] = {id, org, why ? why : "", sense_admin_actor()};
	if (!sense_admin_ask(admin, "SELECT org_id FROM sense.agents WHERE id = $1", &id, 1))
		return false;
	if (!sense_admin_rows(admin)) {
		sense_admin_fail("there is no agent %s", id);
		return false;
	}
	snprintf(org, sizeof org, "%s", sense_admin_value(admin, 0));
	if (!sense_admin_ask(admin, sense_revocation_revoke.sql, values, 4))
		return false;
	if (!*sense_admin_value(admin, 0)) {
		sense_admin_fail("agent %s was revoked before", id);
		return false;
	}
	printf("agent %s is revoked: servers end its connections, and take none of its certificates again\n",
	       id);
	return true;
}

static int agent_run(const struct sense_server_cli *cli, struct sense_conf *conf)
{
	struct sense_admin admin;
	const char *what = cli->operands[0], *id = cli->operand_count > 1 ? cli->operands[1] : NULL;
	if (!strcmp(what, "list") && id)
		return sense_admin_usage("agent", "agent list takes no '%s'", id);
	if (!strcmp(what, "list"))
		return agents_list(cli, conf);
	if (strcmp(what, "revoke") != 0)
		return sense_admin_usage("agent", "agent takes list or revoke, not '%s'", what);
	if (!id || !sense_uuid_good(id, strlen(id)))
		return sense_admin_usage("agent",
		                         "agent revoke takes the ID of an agent, as 'agent list' shows it");
	bool done =
	    sense_admin_open(&admin, conf) && agent_revoke(&admin, id, sense_server_option(cli, "why"));
	sense_admin_close(&admin);
	return done ? SENSE_SERVER_OK : SENSE_SERVER_FAILED;
}

static const struct sense_server_option agent_options[] = {
    {"org", "NAME", "of list: agents of this organization alone"},
    {"why", "TEXT", "of revoke: what is written down"},
    {"json", NULL, "of list: as JSON, one object a line"},
    {NULL, NULL, NULL},
};

const struct sense_server_command sense_command_agent = {
    .name = "agent",
    .operands = "list|revoke [ID]",
    .operands_min = 1,
    .operands_max = 2,
    .doc = "list agents, and revoke one with all its certificates",
    .more = "What an agent has reported stays. To come back it must enrol anew, as another agent.",
    .options = agent_options,
    .run = agent_run,
};

/* ---- organizations --------------------------------------------------------------------------------------
 */

static bool org_create(struct sense_admin *admin, const char *name)
{
	const char *values[] = {name, sense_admin_actor()};
	if (!sense_admin_ask(
		admin,
		"WITH o AS (INSERT INTO sense.organizations (name) VALUES ($1) ON CONFLICT (name) DO NOTHING "
		"RETURNING id), l AS (INSERT INTO sense.audit_log (org_id, actor, action) SELECT id, $2, "
		"'organization.create' FROM o) SELECT id FROM o",
		values, 2))
		return false;
	if (!sense_admin_rows(admin)) {
		sense_admin_fail("there is an organization '%s' already", name);
		return false;
	}
	printf("%s\n", sense_admin_value(admin, 0));
	return true;
}

static bool org_name_good(const char *name)
{
	size_t len = strlen(name);
	for (size_t i = 0; i < len; i++)
		if ((unsigned char)name[i] < 0x20 || name[i] == 0x7f)
			return false;
	return len && len <= 200;
}

static int org_run(const struct sense_server_cli *cli, struct sense_conf *conf)
{
	struct sense_admin admin = {0};
	const char *what = cli->operands[0], *name = cli->operand_count > 1 ? cli->operands[1] : NULL;
	int code = SENSE_SERVER_FAILED;
	if (!strcmp(what, "create") && (!name || !org_name_good(name)))
		return sense_admin_usage("org", "org create takes a NAME of 1 to 200 bytes, on one line");
	if (!strcmp(what, "list") && name)
		return sense_admin_usage("org", "org list takes no '%s'", name);
	if (!strcmp(what, "create")) {
		if (sense_admin_open(&admin, conf) && org_create(&admin, name))
			code = SENSE_SERVER_OK;
	} else if (!strcmp(what, "list")) {
		if (sense_admin_open(&admin, conf) &&
		    sense_admin_ask(
			&admin,
			"SELECT o.id, o.name, (SELECT count(*) FROM sense.agents a WHERE a.org_id = o.id AND "
			"a.revoked_at IS NULL) AS agents, to_char(o.created AT TIME ZONE 'UTC', "
		        "'YYYY-MM-DD') AS "
			"created FROM sense.organizations o ORDER BY o.name",
			NULL, 0))
			code = sense_admin_print(&admin, sense_server_option(cli, "json") != NULL);
	} else {
		return sense_admin_usage("org", "org takes create or list, not '%s'", what);
	}
	sense_admin_close(&admin);
	return code;
}

static const struct sense_server_option org_options[] = {
    {"json", NULL, "of list: as JSON, one object a line"},
    {NULL, NULL, NULL},
};

const struct sense_server_command sense_command_org = {
    .name = "org",
    .operands = "create|list [NAME]",
    .operands_min = 1,
    .operands_max = 2,
    .doc = "make an organization, and list them",
    .options = org_options,
    .run = org_run,
};
