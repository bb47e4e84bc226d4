/* `policy status`: rollouts, who has what, which rules fail. */
#include <stdio.h>

#include "server/cli/policy.h"

static const char rollouts[] =
    "SELECT r.generation, left(encode(r.hash, 'hex'), 12) AS bundle, "
    "coalesce('group ' || g.name, 'all') || "
    "CASE WHEN r.labels <> '{}' THEN ' ' || r.labels::text ELSE '' END AS agents, "
    "r.state || CASE WHEN r.dry_run THEN ', dry run' ELSE '' END AS state, "
    "r.percent::integer AS percent, r.reached, "
    "(SELECT count(*) FROM sense.policy_state s "
    " WHERE s.org_id = r.org_id AND s.generation = r.generation) AS answered, "
    "(SELECT count(*) FROM sense.policy_state s "
    " WHERE s.org_id = r.org_id AND s.generation = r.generation "
    " AND (NOT s.loaded OR s.rules_failed > 0)) AS failed, "
    "coalesce(r.state_why, CASE WHEN r.state = 'running' AND cardinality(r.steps) > 0 "
    "THEN r.steps[1] || ' percent from ' || "
    "to_char((r.changed + r.step_after) AT TIME ZONE 'UTC', 'HH24:MI') || ' UTC' END) AS why "
    "FROM sense.policy_rollouts r "
    "LEFT JOIN sense.agent_groups g ON g.org_id = r.org_id AND g.id = r.group_id "
    "WHERE r.org_id = $1 ORDER BY r.generation DESC LIMIT 10";

static const char agents[] =
    "SELECT a.host, a.id, sense.agent_state(a.last_seen, a.revoked_at, $2::integer) AS state, "
    "a.policy_generation AS has, w.generation AS wanted, "
    "CASE WHEN s.generation IS NULL THEN 'no answer' WHEN NOT s.loaded THEN 'not loaded' "
    "WHEN s.rules_failed > 0 THEN s.rules_failed || ' rules fail' ELSE 'loaded' END AS answer, "
    "s.generation AS of, s.problem "
    "FROM sense.agents a "
    "LEFT JOIN sense.policy_state s ON s.agent_id = a.id AND s.org_id = a.org_id "
    "LEFT JOIN sense.wanted_policy($1, ARRAY(SELECT id FROM sense.agents WHERE org_id = $1)) w "
    "ON w.agent = a.id "
    "WHERE a.org_id = $1 AND a.revoked_at IS NULL "
    "ORDER BY (s.loaded IS FALSE OR s.rules_failed > 0) DESC, a.host, a.id LIMIT 1000";

static const char rules[] =
    "SELECT rule, state, generation, count(*) AS agents, min(message) AS message "
    "FROM sense.policy_rule_errors WHERE org_id = $1 "
    "GROUP BY rule, state, generation ORDER BY count(*) DESC, rule LIMIT 100";

static const char all[] =
    "SELECT jsonb_build_object("
    "'rollouts', (SELECT coalesce(jsonb_agg(r), '[]') FROM (%s) r), "
    "'agents', (SELECT coalesce(jsonb_agg(a), '[]') FROM (%s) a), "
    "'rules', (SELECT coalesce(jsonb_agg(f), '[]') FROM (%s) f))";

static int as_json(struct sense_admin *admin, const char *const *values)
{
	char sql[sizeof all + sizeof rollouts + sizeof agents + sizeof rules];
	snprintf(sql, sizeof sql, all, rollouts, agents, rules);
	if (!sense_admin_ask(admin, sql, values, 2))
		return SENSE_SERVER_FAILED;
	puts(sense_admin_value(admin, 0));
	return SENSE_SERVER_OK;
}

/* A table beneath its title; nothing when there are no rows. */
static bool part(struct sense_admin *admin, const char *title, const char *sql, const char *const *values,
                 int count)
{
	if (!sense_admin_ask(admin, sql, values, count))
		return false;
	if (!sense_admin_rows(admin))
		return true;
	printf("%s\n", title);
	fflush(stdout);
	return !sense_admin_print(admin, false);
}

int sense_policy_cli_status(struct sense_admin *admin, const struct sense_server_cli *cli, const char *org)
{
	const char *values[] = {org, sense_admin_heartbeat(admin)};
	if (sense_server_option(cli, "json"))
		return as_json(admin, values);
	bool good = part(admin, "Rollouts, the latest first", rollouts, values, 1) &&
	            part(admin, "\nAgents, those with problems first", agents, values, 2) &&
	            part(admin, "\nRules that are not at work", rules, values, 1);
	return good ? SENSE_SERVER_OK : SENSE_SERVER_FAILED;
}
