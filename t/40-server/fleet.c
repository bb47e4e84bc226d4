/*
 * What the fleet's statements do (server/migrations/003_calls.sql), against a real PostgreSQL: who gets which
 * policies, rollouts, halting, going back, commands; and that an organization sees nothing of another one.
 */
#include <stdio.h>
#include <string.h>

#include "server/store/migrate.h"
#include "t/stores.h"

static char a[37], b[37]; /* organizations */
static char agents[30][37];
enum { AGENTS = 20, IN_B = 3 }; /* the first ones are of a, those from AGENTS on of b */

static long long num(const char *text)
{
	return strtoll(text, NULL, 10);
}

/* As a worker asks on behalf of this organization; NULL: as the owner again. */
static void as(const char *org)
{
	sql("RESET ROLE");
	sql("SELECT set_config('sense.org', '%s', false)", org ? org : "");
	if (org)
		sql("SET ROLE sense_api");
}

static bool world(void)
{
	sense_error err;
	struct sense_migrate_report report;
	struct sense_migrate_config migrate = {.conninfo = stores.embedded.conninfo};
	if (sense_migrate(&migrate, &report, &err)) {
		fprintf(stderr, "# %s\n", err.message);
		return false;
	}
	snprintf(a, sizeof a, "%s", sql("INSERT INTO sense.organizations (name) VALUES ('a') RETURNING id"));
	snprintf(b, sizeof b, "%s", sql("INSERT INTO sense.organizations (name) VALUES ('b') RETURNING id"));
	for (unsigned i = 0; i < AGENTS + IN_B; i++)
		snprintf(agents[i], sizeof agents[i], "%s",
		         sql("INSERT INTO sense.agents (org_id, host, last_seen) VALUES ('%s', 'h%u', now()) "
		             "RETURNING id",
		             i < AGENTS ? a : b, i));
	for (unsigned i = 1; i <= 4; i++)
		sql("INSERT INTO sense.policies (org_id, hash, bundle) SELECT id, sha256('%u'), '%u' FROM "
		    "sense.organizations",
		    i, i);
	return strlen(agents[AGENTS + IN_B - 1]) == 36;
}

/* Everything anew but agents and bundles. */
static void again(void)
{
	as(NULL);
	sql("DELETE FROM sense.policy_rollouts");
	sql("DELETE FROM sense.policy_state");
	sql("DELETE FROM sense.policy_rule_errors");
	sql("DELETE FROM sense.agent_groups");
	sql("DELETE FROM sense.commands");
	sql("DELETE FROM sense.audit_log");
	sql("UPDATE sense.agents SET policy_generation = 0, labels = '{}', last_seen = now()");
	sql("UPDATE sense.organizations SET policy_generation = 0");
}

struct how {
	unsigned bundle, percent;
	const char *steps, *group, *labels, *pause;
	double halt_at;
	long long back_from;
};

/* The generation. */
static long long roll_out(const char *org, struct how how)
{
	char group[64] = "NULL", from[32] = "NULL";
	long long generation = num(sql("SELECT sense.next_generation('%s')", org));
	if (how.group)
		snprintf(group, sizeof group, "'%s'", how.group);
	if (how.back_from)
		snprintf(from, sizeof from, "%lld", how.back_from);
	sql("SELECT sense.rollout_begin('%s', %lld, sha256('%u'), 'm', 's', %s, '%s', '{}', false, %u, "
	    "'{%s}', '%s', %f, %s, "
	    "'test')",
	    org, generation, how.bundle, group, how.labels ? how.labels : "{}",
	    how.percent ? how.percent : 100, how.steps ? how.steps : "", how.pause ? how.pause : "1 hour",
	    how.halt_at != 0.0 ? how.halt_at : 0.05, from);
	return generation;
}

/* The generation that an agent is to have; 0: none. */
static long long wanted(unsigned agent)
{
	const char *org = agent < AGENTS ? a : b;
	return num(sql("SELECT generation FROM sense.wanted_policy('%s', '{%s}')", org, agents[agent]));
}

static bool acknowledge(unsigned agent, long long generation, unsigned bundle, bool loaded,
                        const char *broken)
{
	return !strcmp(
	    sql("SELECT halted FROM sense.policy_acknowledge('%s', jsonb_build_array(jsonb_build_object("
	        "'agent', '%s', 'generation', %lld, 'hash', encode(sha256('%u'), 'hex'), 'loaded', %s, "
	        "'problem', %s, 'rules', '%s'::jsonb)))",
	        agent < AGENTS ? a : b, agents[agent], generation, bundle, loaded ? "true" : "false",
	        loaded ? "NULL" : "'it does not load'", broken ? broken : "[]"),
	    "t");
}

static const char *state_of(long long generation)
{
	return sql("SELECT state FROM sense.policy_rollouts WHERE org_id = '%s' AND generation = %lld", a,
	           generation);
}

static long long audited(const char *action)
{
	return num(
	    sql("SELECT count(*) FROM sense.audit_log WHERE org_id = '%s' AND action = '%s'", a, action));
}

/* ---- who gets what ------------------------------------------------------------------------------------ */

static void reaching(void)
{
	char group[37];
	again();
	is_num(wanted(0), 0, "without a rollout nobody is to have any");
	long long all = roll_out(a, (struct how){.bundle = 1});
	is_num(wanted(0), all, "a rollout to all reaches each");
	is_num(wanted(AGENTS), 0, "but none of another organization");
	is_str(state_of(all), "done", "at 100 percent it is done");

	snprintf(group, sizeof group, "%s",
	         sql("INSERT INTO sense.agent_groups (org_id, name) VALUES ('%s', 'g') RETURNING id", a));
	sql("INSERT INTO sense.agent_group_members VALUES ('%s', '%s', '%s')", a, group, agents[1]);
	long long few = roll_out(a, (struct how){.bundle = 2, .group = group});
	is_num(wanted(1), few, "one to a group reaches its members");
	is_num(wanted(0), all, "and no others");
	is_str(state_of(all), "done", "that to all goes on beside it");

	sql("UPDATE sense.agents SET labels = '{\"os\": \"linux\", \"site\": \"x\"}' WHERE id = '%s'",
	    agents[2]);
	sql("UPDATE sense.agents SET labels = '{\"os\": \"linux\"}' WHERE id = '%s'", agents[3]);
	long long labelled =
	    roll_out(a, (struct how){.bundle = 3, .labels = "{\"os\": \"linux\", \"site\": \"x\"}"});
	is_num(wanted(2), labelled, "one to labels reaches who has all of them");
	is_num(wanted(3), all, "not who has some");

	/* A member that leaves keeps what it has: it takes none that is older. */
	sql("UPDATE sense.agents SET policy_generation = %lld WHERE id = '%s'", few, agents[1]);
	sql("DELETE FROM sense.agent_group_members WHERE group_id = '%s'", group);
	is_num(wanted(1), few, "an agent that leaves the group is not sent back to an older generation");
	sql("UPDATE sense.agents SET policy_generation = 900 WHERE id = '%s'", agents[4]);
	is_num(wanted(4), 0, "nor is one that has a generation which nobody knows");
	long long later = roll_out(a, (struct how){.bundle = 1});
	is_num(wanted(1), later, "a newer one takes it along again");
}

static void percentages(void)
{
	again();
	sql("INSERT INTO sense.agents (org_id, host) SELECT '%s', 'many' FROM generate_series(1, 10000)", a);
	const char *among =
	    "SELECT count(*) FROM sense.agents WHERE host = 'many' AND sense.is_among(id, %d, %d)";
	long long five = num(sql(among, 7, 5)), half = num(sql(among, 7, 50));
	ok(five > 400 && five < 600, "5 percent of 10,000 agents are %lld", five);
	ok(half > 4800 && half < 5200, "50 percent are %lld", half);
	is_num(num(sql(among, 7, 0)), 0, "none at 0");
	is_num(num(sql(among, 7, 100)), 10000, "all at 100");
	is_num(
	    num(sql(
		"SELECT count(*) FROM sense.agents WHERE host = 'many' AND sense.is_among(id, 7, 5) AND NOT "
		"sense.is_among(id, 7, 25)")),
	    0, "who is among 5 percent is among 25, too");
	long long both =
	    num(sql("SELECT count(*) FROM sense.agents WHERE host = 'many' AND sense.is_among(id, 7, 5) AND "
	            "sense.is_among(id, 8, 5)"));
	ok(both < five / 2, "another rollout begins with others: %lld of %lld in both", both, five);

	long long generation = roll_out(a, (struct how){.bundle = 1, .percent = 20, .steps = "100"});
	const char *reach =
	    "SELECT string_agg(agent::text, ',' ORDER BY agent)::text FROM (SELECT w.agent FROM "
	    "sense.wanted_policy('%s', ARRAY(SELECT id FROM sense.agents WHERE org_id = '%s')) w "
	    "ORDER BY 1 LIMIT 100) s";
	char first[8192];
	snprintf(first, sizeof first, "%s", sql(reach, a, a));
	is_str(sql(reach, a, a), first, "asked again, it is the same agents");
	long long reached =
	    num(sql("SELECT count(*) FROM sense.wanted_policy('%s', ARRAY(SELECT id FROM sense.agents WHERE "
	            "org_id = '%s'))",
	            a, a));
	ok(reached > 1850 && reached < 2150, "20 percent of all are %lld (generation %lld)", reached,
	   generation);
	sql("DELETE FROM sense.agents WHERE host = 'many'");
}

/* ---- rollouts ----------------------------------------------------------------------------------------- */

static void steps(void)
{
	again();
	long long one =
	    roll_out(a, (struct how){.bundle = 1, .percent = 10, .steps = "50,100", .pause = "1 hour"});
	is_str(state_of(one), "running", "one with steps runs");
	is_num(num(sql("SELECT sense.rollouts_step()")), 0, "it waits for its pause");
	sql("UPDATE sense.policy_rollouts SET step_after = '0', reached = 4");
	is_num(num(sql("SELECT sense.rollouts_step()")), 0, "and for agents to answer");
	acknowledge(0, one, 1, true, NULL);
	is_num(num(sql("SELECT sense.rollouts_step()")), 0, "one of four is not enough");
	acknowledge(1, one, 1, true, NULL);
	is_num(num(sql("SELECT sense.rollouts_step()")), 1, "after half of them it goes on");
	is_str(sql("SELECT percent || '/' || array_to_string(steps, ',') || '/' || state FROM "
	           "sense.policy_rollouts"),
	       "50/100/running", "to the next step");
	sql("UPDATE sense.policy_rollouts SET reached = 0");
	is_num(num(sql("SELECT sense.rollouts_step()")), 1, "and to the last");
	is_str(state_of(one), "done", "with which it is done");
	is_num(num(sql("SELECT sense.rollouts_step()")), 0, "then there is nothing to do");
	is_num(audited("policy.step"), 2, "each step is in the audit log");

	long long two = roll_out(a, (struct how){.bundle = 2, .percent = 10, .steps = "100"});
	roll_out(a, (struct how){.bundle = 3});
	is_str(state_of(two), "replaced", "a rollout that follows ends one that is under way");
}

static void halting(void)
{
	again();
	/* 20 agents are online: 10 percent are 2. */
	long long one = roll_out(a, (struct how){.bundle = 1, .halt_at = 0.1});
	is_num(num(sql("SELECT reached FROM sense.policy_rollouts")), AGENTS, "it knows how many it reaches");
	ok(!acknowledge(0, one, 1, true, NULL) && !acknowledge(1, one, 1, false, NULL),
	   "one failure of 20 halts nothing");
	ok(!acknowledge(1, one, 1, false, NULL), "nor does the same said twice");
	is_str(state_of(one), "done", "it goes on");
	ok(!acknowledge(AGENTS, one, 1, false, NULL), "nor one of an agent of another organization");
	ok(acknowledge(2, one, 1, true, "[{\"id\": \"r.one\", \"state\": \"failed\", \"message\": \"why\"}]"),
	   "a second that could not load a rule does");
	is_str(state_of(one), "halted", "it is halted");
	is_str(sql("SELECT state_why FROM sense.policy_rollouts"),
	       "2 of 20 agents could not load it as it is", "and says why");
	is_str(sql("SELECT actor || ' ' || target || ' ' || (details->>'rules') FROM sense.audit_log WHERE "
	           "action = "
	           "'policy.halt'"),
	       "server 1 [\"r.one\"]", "the audit log knows, too");
	is_num(wanted(0), one, "who has it keeps it");
	is_num(wanted(5), 0, "nobody else gets it");
	ok(!acknowledge(3, one, 1, false, NULL), "what fails after that halts nothing more");
	is_num(audited("policy.halt"), 1, "and is not told again");
	is_str(sql("SELECT rule || '/' || state || '/' || message FROM sense.policy_rule_errors"),
	       "r.one/failed/why", "the rule is known");
	acknowledge(2, one, 1, true, NULL);
	is_num(num(sql("SELECT count(*) FROM sense.policy_rule_errors")), 0,
	       "until the agent says that it is well");

	again();
	one = roll_out(a, (struct how){.bundle = 1, .percent = 100, .halt_at = 0.01});
	ok(acknowledge(7, one, 1, false, NULL), "of few agents one that fails is enough");

	/* Exact: 5 percent of 20 is 1, whatever a float makes of it. */
	again();
	one = roll_out(a, (struct how){.bundle = 1, .halt_at = 0.05});
	ok(acknowledge(7, one, 1, false, NULL), "5 percent of 20 are one");

	/* Who is not in the group has no say about it. */
	again();
	char group[37];
	snprintf(group, sizeof group, "%s",
	         sql("INSERT INTO sense.agent_groups (org_id, name) VALUES ('%s', 'g') RETURNING id", a));
	sql("INSERT INTO sense.agent_group_members VALUES ('%s', '%s', '%s')", a, group, agents[1]);
	one = roll_out(a, (struct how){.bundle = 1, .group = group});
	ok(!acknowledge(0, one, 1, false, NULL), "an agent that it is not for halts nothing");
	ok(!acknowledge(1, one, 2, false, NULL), "nor one that speaks of another bundle");
	ok(acknowledge(1, one, 1, false, NULL), "its own agent does");
}

static void by_hand(void)
{
	again();
	long long one = roll_out(a, (struct how){.bundle = 1, .percent = 30, .steps = "100"});
	is_str(sql("SELECT sense.rollout_halt('%s', %lld, 'enough', 'test')", a, one), "t",
	       "a rollout is halted by hand");
	is_str(sql("SELECT sense.rollout_halt('%s', %lld, 'enough', 'test')", a, one), "f", "once");
	sql("UPDATE sense.policy_rollouts SET step_after = '0', reached = 0");
	is_num(num(sql("SELECT sense.rollouts_step()")), 0, "then it takes no step");
	is_str(sql("SELECT sense.rollout_resume('%s', %lld, NULL, 'test')", b, one), "f",
	       "another organization cannot resume it");
	is_str(sql("SELECT sense.rollout_resume('%s', %lld, 0.5, 'test')", a, one), "t", "its own does");
	is_str(sql("SELECT state || percent || halt_at_failed FROM sense.policy_rollouts"), "running300.5",
	       "it goes on from where it was");
	sql("UPDATE sense.policy_rollouts SET reached = 0");
	is_num(num(sql("SELECT sense.rollouts_step()")), 1, "and steps");
	is_num(audited("policy.halt") * 10 + audited("policy.resume"), 11, "the audit log has both");
}

static const char *back(void)
{
	return sql("SELECT back_from || '>' || generation FROM sense.rollback_of('%s')", a);
}

static void going_back(void)
{
	again();
	is_str(back(), "", "without rollouts there is nothing to go back to");
	long long one = roll_out(a, (struct how){.bundle = 1});
	is_str(back(), "", "nor from the first");
	roll_out(a, (struct how){.bundle = 2});
	is_str(back(), "2>1", "from the second to the first");
	sql("UPDATE sense.agents SET policy_generation = 2 WHERE org_id = '%s'", a);
	long long three = roll_out(a, (struct how){.bundle = 1, .back_from = 2});
	is_num(wanted(0), three, "agents are to have a newer generation");
	is_str(sql("SELECT hash = sha256('1') FROM sense.wanted_policy('%s', '{%s}')", a, agents[0]), "t",
	       "with the older bundle");
	is_str(state_of(2), "replaced", "what was gone back from");
	is_str(back(), "", "is not gone back to");
	is_num(audited("policy.rollback"), 1, "the audit log has it");
	roll_out(a, (struct how){.bundle = 3, .percent = 10, .steps = "100"});
	is_str(back(), "4>3", "from one that is under way to what was before");
	sql("SELECT sense.rollout_halt('%s', 4, '', 'test')", a);
	is_str(back(), "4>3", "from one that was halted, too");
	is_num(one, 1, "generations count from 1");

	/* One that was passed over by another is looked at again when that is halted. */
	again();
	one = roll_out(a, (struct how){.bundle = 1});
	long long two = roll_out(a, (struct how){.bundle = 2});
	is_num(wanted(0), two, "the latest counts");
	sql("SELECT sense.rollout_halt('%s', %lld, '', 'test')", a, two);
	is_num(wanted(0), one, "when it is halted, that before it");
	sql("SELECT sense.rollout_resume('%s', %lld, NULL, 'test')", a, two);
	is_num(wanted(0), two, "when it goes on, it counts again");

	/* What only some agents have gives way to what all have. */
	again();
	roll_out(a, (struct how){.bundle = 1});
	roll_out(a, (struct how){.bundle = 2, .labels = "{\"os\": \"linux\"}"});
	is_str(back(), "2>1", "from one to some agents to that to all");
	is_str(sql("SELECT labels->>'os' FROM sense.rollback_of('%s')", a), "linux", "for those agents");
}

/* ---- agents and commands ------------------------------------------------------------------------------ */

/* A heartbeat of an agent of a that has no policies: what is selected of the answer. */
static const char *beat(unsigned agent, const char *what)
{
	return sql(
	    "SELECT %s FROM sense.agent_heartbeats('%s', '[{\"agent\": \"%s\", \"generation\": 0, "
	    "\"offset\": -5.0, \"uptime\": 9, "
	    "\"counters\": {\"flows\": 7}, \"gaps\": [\"ech\"], \"rules\": 3, \"failing\": 1, "
	    "\"quarantined\": 0}]')",
	    what, a, agents[agent]);
}

/* The same of one that registers. */
static const char *registers(unsigned agent, const char *what)
{
	return sql(
	    "SELECT %s FROM sense.agents_register('%s', '[{\"agent\": \"%s\", \"version\": \"1\", \"host\": "
	    "\"h\", \"generation\": 0, \"address\": \"127.0.0.1\"}]')",
	    what, a, agents[agent]);
}

static void beats(void)
{
	again();
	long long one = roll_out(a, (struct how){.bundle = 1});
	is_num(num(registers(0, "generation")), one, "an agent that registers is told what it is to have");
	is_str(sql("SELECT host || ' ' || address FROM sense.agents WHERE id = '%s'", agents[0]),
	       "h 127.0.0.1/32", "and known");
	sql("UPDATE sense.agents SET revoked_at = now() WHERE id = '%s'", agents[1]);
	is_str(registers(1, "count(*)"), "0", "a revoked one gets no answer");
	is_str(beat(1, "count(*)"), "0", "nor does its heartbeat");
	is_num(num(beat(0, "generation")), one, "one that is not is told at each heartbeat");
	is_str(sql("SELECT (counters->>'flows') || gaps[1] || rules || rules_failing || uptime_s FROM "
	           "sense.agents WHERE id = "
	           "'%s'",
	           agents[0]),
	       "7ech319", "and what it says is known");
	sql("UPDATE sense.agents SET revoked_at = NULL");
	is_str(sql("SELECT count(*) FROM sense.agent_heartbeats('%s', '[{\"agent\": \"%s\", \"generation\": "
	           "18446744073709551615, "
	           "\"offset\": 1.8e19, \"uptime\": 18446744073709551615, \"counters\": {}, \"gaps\": [], "
	           "\"rules\": "
	           "4294967295, \"failing\": 0, \"quarantined\": 0}]')",
	           a, agents[5]),
	       "1", "numbers beyond all bounds are taken for the largest");
	is_str(sql("SELECT sense.agent_state(now(), NULL, 30) || sense.agent_state(now() - interval '2 min', "
	           "NULL, 30) || "
	           "sense.agent_state(now() - interval '8 days', NULL, 30) || sense.agent_state(now(), "
	           "now(), 30)"),
	       "onlineofflinestalerevoked", "states");
}

/* Of agents 0, 1 (revoked), one of b, 0 again, and 2, for which there is a command. */
static void beats_together(void)
{
	again();
	long long all = roll_out(a, (struct how){.bundle = 1});
	sql("SELECT sense.command_give('%s', '%s', 'scan', '{}', '1 hour', 'test')", a, agents[2]);
	sql("UPDATE sense.agents SET uptime_s = NULL");
	sql("UPDATE sense.agents SET revoked_at = now() WHERE id = '%s'", agents[1]);
	is_str(
	    sql("SELECT string_agg(place || ':' || (generation = %lld) || ':' || commands, ' ' ORDER BY place) FROM "
	        "sense.agent_heartbeats('%s', (SELECT jsonb_agg(jsonb_build_object('agent', id, 'uptime', n, 'counters', "
	        "jsonb_build_object('n', n), 'generation', 0, 'rules', 0, 'failing', 0, 'quarantined', 0) ORDER BY n) FROM "
	        "unnest('{%s,%s,%s,%s,%s}'::uuid[]) WITH ORDINALITY AS u (id, n)))",
	        all, a, agents[0], agents[1], agents[AGENTS], agents[0], agents[2]),
	    "1:true:0 4:true:0 5:true:1",
	    "beats of many: each of the organization's that are not revoked is answered");
	is_str(
	    sql("SELECT string_agg(coalesce(uptime_s::text, '-'), ' ' ORDER BY n) FROM sense.agents a JOIN "
	        "unnest('{%s,%s,%s,%s}'::uuid[]) WITH ORDINALITY AS u (id, n) USING (id)",
	        agents[0], agents[1], agents[AGENTS], agents[2]),
	    "4 - - 5", "of one that beats twice the last counts, others change nothing");
	is_str(sql("SELECT counters->>'n' FROM sense.agents WHERE id = '%s'", agents[2]), "5",
	       "each has its own");
	is_str(
	    sql("SELECT string_agg(place || ':' || (generation = %lld) || ':' || through, ' ' ORDER BY place) FROM "
	        "sense.agents_register('%s', (SELECT jsonb_agg(jsonb_build_object('agent', id, 'version', 'v' || n, 'host', "
	        "'h' || n, 'generation', 0) ORDER BY n) FROM unnest('{%s,%s,%s,%s,%s}'::uuid[]) WITH ORDINALITY AS u (id, "
	        "n)))",
	        all, a, agents[0], agents[1], agents[AGENTS], agents[0], agents[2]),
	    "1:true:0 4:true:0 5:true:0", "the same of many that register");
	is_str(sql("SELECT string_agg(version || host, ' ' ORDER BY n) FROM sense.agents a JOIN "
	           "unnest('{%s,%s}'::uuid[]) WITH ORDINALITY AS u (id, n) USING (id)",
	           agents[0], agents[2]),
	       "v4h4 v5h5", "each is known by what it said last");
	is_str(
	    sql("SELECT string_agg(place || ':' || halted, ' ' ORDER BY place) FROM sense.policy_acknowledge('%s', (SELECT "
	        "jsonb_agg(jsonb_build_object('agent', id, 'generation', %lld, 'hash', encode(sha256('1'), 'hex'), "
	        "'loaded', n <> 3, 'problem', CASE n WHEN 3 THEN 'no' END, 'rules', CASE n WHEN 2 THEN '[{\"id\": \"r\", "
	        "\"state\": \"failed\", \"message\": \"m\"}]'::jsonb ELSE '[]' END) ORDER BY n) FROM "
	        "unnest('{%s,%s,%s}'::uuid[]) WITH ORDINALITY AS u (id, n)))",
	        a, all, agents[0], agents[2], agents[3]),
	    "1:false 2:true 3:false",
	    "of many that acknowledge together the first that could not halts the rollout");
	is_str(
	    sql("SELECT string_agg(loaded || ':' || rules_failed || ':' || coalesce(problem, '-'), ' ' ORDER BY n) FROM "
	        "sense.policy_state s JOIN unnest('{%s,%s,%s}'::uuid[]) WITH ORDINALITY AS u (id, n) ON id = agent_id "
	        "WHERE generation = %lld",
	        agents[0], agents[2], agents[3], all),
	    "true:0:- true:1:- false:0:no", "each as its agent has it");
	is_str(sql("SELECT message FROM sense.policy_rule_errors WHERE agent_id = '%s'", agents[2]), "m",
	       "with its rules");
	is_str(state_of(all), "halted", "which goes no further");
	sql("UPDATE sense.agents SET revoked_at = NULL");
}

static void commands(void)
{
	char first[37], second[37], late[37];
	again();
	const char *give =
	    "SELECT sense.command_give('%s', '%s', '%s', '{\"level\": \"debug\"}', '%s', 'test')";
	const char *take = "SELECT string_agg(command::text, ',') FROM sense.commands_take('%s', '%s', 16)";
	const char *end = "SELECT sense.command_end('%s', '%s', '%s', 'done', 'fine', 'out')";
	snprintf(first, sizeof first, "%s", sql(give, a, agents[0], "scan", "1 hour"));
	snprintf(second, sizeof second, "%s", sql(give, a, agents[0], "log_level", "1 hour"));
	snprintf(late, sizeof late, "%s", sql(give, a, agents[0], "reload", "-1 second"));
	is_num(strlen(first) + strlen(second) + strlen(late), 108, "commands are given");
	is_str(sql(give, a, agents[AGENTS], "scan", "1 hour"), "", "not to an agent of another organization");
	is_num(num(beat(0, "commands")), 2, "a heartbeat tells how many wait, without what has expired");
	char both[80];
	snprintf(both, sizeof both, "%s,%s", first, second);
	is_str(sql(take, a, agents[0]), both, "they are taken in their order, without what has expired");
	is_str(sql(take, a, agents[1]), "", "by their agent only");
	is_str(sql(take, a, agents[0]), both, "and once more, while no result has come");
	is_str(sql(end, a, agents[1], first), "f", "a result of another agent is none");
	is_str(sql(end, a, agents[0], first), "t", "that of its own is kept");
	is_str(sql(end, a, agents[0], first), "f", "the first one, that is");
	is_str(sql(take, a, agents[0]), second, "what has its result is not taken again");
	is_str(
	    sql("SELECT status || detail || convert_from(output, 'UTF8') FROM sense.commands WHERE id = '%s'",
	        first),
	    "donefineout", "status, detail and output");
	is_num(num(sql("SELECT sense.commands_expire()")), 1, "what is over is marked");
	is_str(sql("SELECT status FROM sense.commands WHERE id = '%s'", late), "expired", "as expired");
	is_num(audited("command.scan") + audited("command.log_level") + audited("command.reload"), 3,
	       "all are audited");
	fprintf(stderr, "# one is refused, for there is no such command:\n");
	is_str(sql(give, a, agents[0], "shell", "1 hour"), "", "what is not in the list cannot be given");
	sql("UPDATE sense.agents SET revoked_at = now() WHERE id = '%s'", agents[2]);
	is_str(sql(give, a, agents[2], "scan", "1 hour"), "", "a revoked agent is given none");
	sql("UPDATE sense.agents SET revoked_at = NULL");
}

/* ---- other organizations ------------------------------------------------------------------------------- */

/* Each function as a worker calls it for b, with everything else naming a. */
static void apart(void)
{
	char command[37];
	again();
	long long one = roll_out(a, (struct how){.bundle = 1, .halt_at = 0.01});
	snprintf(command, sizeof command, "%s",
	         sql("SELECT sense.command_give('%s', '%s', 'scan', '{}', '1 hour', 'test')", a, agents[0]));
	as(b);
	static const char *const tables[] = {
	    "organizations",    "agents",    "agent_groups",    "agent_group_members", "agent_certificates",
	    "enrolment_tokens", "policies",  "policy_rollouts", "policy_state",        "policy_rule_errors",
	    "commands",         "audit_log", "agent_progress"};
	for (unsigned i = 0; i < sizeof tables / sizeof *tables; i++)
		is_num(num(sql("SELECT count(*) FROM sense.%s t WHERE %s = '%s'", tables[i],
		               i ? "org_id" : "id", a)),
		       0, "b sees nothing of a in %s", tables[i]);
	is_str(sql("SELECT count(*) FROM sense.wanted_policy('%s', '{%s}')", a, agents[0]), "0",
	       "wanted_policy");
	is_str(registers(0, "count(*)"), "0", "agents_register");
	is_str(sql("SELECT count(*) FROM sense.agent_heartbeats('%s', '[{\"agent\": \"%s\", \"generation\": "
	           "9}]')",
	           a, agents[0]),
	       "0", "agent_heartbeats");
	is_str(sql("SELECT sense.next_generation('%s')", a), "", "next_generation");
	is_str(sql("SELECT count(*) FROM sense.rollback_of('%s')", a), "0", "rollback_of");
	is_str(sql("SELECT sense.rollout_halt('%s', %lld, '', 'b')", a, one), "f", "rollout_halt");
	is_str(sql("SELECT sense.rollout_resume('%s', %lld, NULL, 'b')", a, one), "f", "rollout_resume");
	is_str(sql("SELECT sense.rollout_reaches('%s', NULL, '{}', 1, 100)", a), "0", "rollout_reaches");
	is_str(sql("SELECT count(*) FROM sense.commands_take('%s', '%s', 16)", a, agents[0]), "0",
	       "commands_take");
	is_str(sql("SELECT sense.command_end('%s', '%s', '%s', 'done', '', '')", a, agents[0], command), "f",
	       "command_end");
	is_str(sql("SELECT sense.command_give('%s', '%s', 'scan', '{}', '1 hour', 'b')", a, agents[0]), "",
	       "command_give");
	fprintf(stderr, "# two are refused by row-level security:\n");
	ok(!acknowledge(0, one, 1, false, NULL), "policy_acknowledge");
	is_str(sql("SELECT sense.rollout_begin('%s', 99, sha256('1'), 'm', 's', NULL, '{}', '{}', false, "
	           "100, '{}', '1 h', "
	           "0.05, NULL, 'b')",
	           a),
	       "", "rollout_begin");
	as(NULL);
	is_str(sql("SELECT string_agg(host, '') FROM sense.agents WHERE host = 'stolen'"), "",
	       "nothing of a has changed");
	is_str(state_of(one), "done", "its rollout goes on");
	is_num(num(sql("SELECT count(*) FROM sense.policy_state")), 0, "nobody has acknowledged it");
	is_num(num(sql("SELECT max(generation) FROM sense.policy_rollouts")), one, "there is no other one");
	as(a);
	is_num(wanted(0), one, "while a itself is served");
	is_num(acknowledge(0, one, 1, false, NULL), 1, "and heard");
	is_str(sql("SELECT count(*) FROM sense.commands_take('%s', '%s', 16)", a, agents[0]), "1",
	       "and gets its command");
	as(NULL);
}

int main(void)
{
	if (!stores_start(false) || !world())
		return 1;
	reaching();
	percentages();
	steps();
	halting();
	by_hand();
	going_back();
	beats();
	beats_together();
	commands();
	apart();
	return tap_done();
}
