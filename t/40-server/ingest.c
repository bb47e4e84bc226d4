/* Batches into a real PostgreSQL: exactly once, whatever comes; what is refused; what is bounded. */
#include "t/40-server/ingest.h"

static struct ev_loop *loop;

struct answer {
	unsigned count;
	enum sense_ingest_outcome outcome;
	uint64_t through;
	uint32_t refused;
};

static void keep(void *self, enum sense_ingest_outcome outcome, uint64_t through, uint32_t refused)
{
	struct answer *answer = self;
	*answer = (struct answer){answer->count + 1, outcome, through, refused};
}

static void on_tick(struct ev_loop *l, ev_timer *timer, int events)
{
	(void)l, (void)timer, (void)events;
}

static bool turn_until(const unsigned *done, unsigned wanted)
{
	ev_tstamp until = ev_time() + 60;
	while (*done < wanted && ev_time() < until)
		ev_run(loop, EVRUN_ONCE);
	return *done >= wanted;
}

static void is_answer(const struct answer *got, enum sense_ingest_outcome outcome, uint64_t through,
                      const char *what)
{
	ok(got->count == 1 && got->outcome == outcome && got->through == through, "%s", what);
	if (got->count != 1 || got->outcome != outcome || got->through != through)
		fprintf(stderr, "#   %u answers, outcome %d, through %llu\n", got->count, got->outcome,
		        (unsigned long long)got->through);
}

static struct answer send_and_wait(sense_ingest *ingest, unsigned agent, uint64_t after, uint64_t last)
{
	static struct answer answer;
	answer = (struct answer){0};
	if (send_plain(ingest, agent, after, last, keep, &answer) != SENSE_INGEST_TAKEN)
		fprintf(stderr, "# not taken\n");
	turn_until(&answer.count, 1);
	return answer;
}

static sense_ingest *open_ingest(struct sense_ingest_config config)
{
	config.conninfo = stores.embedded.conninfo;
	return sense_ingest_new(loop, &config, NULL);
}

static void start_over(unsigned agents)
{
	sql("TRUNCATE sense.findings, sense.findings_quarantine, sense.findings_hourly_new, sense.findings_hourly, "
	    "sense.outbox; UPDATE sense.agent_progress SET through = 0");
	sql("DELETE FROM sense.agents WHERE id > '%s'", agent_id(agents));
	sql("INSERT INTO sense.agents (id, org_id, host) SELECT ('00000000-0000-4000-9000-' || lpad(to_hex(n), 12, "
	    "'0'))::uuid, '" ORG_A "', 'host' || n FROM generate_series(1, %u) n ON CONFLICT DO NOTHING",
	    agents);
}

/* ---- one agent ------------------------------------------------------------------------------------------------ */

static void one_agent(void)
{
	sense_ingest *ingest = open_ingest((struct sense_ingest_config){0});
	struct answer got = send_and_wait(ingest, 1, 0, 10), first = {0}, second = {0};

	is_answer(&got, SENSE_INGEST_STORED, 10, "a batch is stored");
	is_str(sql("SELECT count(*) FROM sense.findings"), "10", "each of its findings");
	is_str(
	    sql("SELECT concat_ws(' ', type, severity, rule, policy, source_ip, source_port, dest_ip, dest_port, host, "
	        "service, service_name, category, confidence, evidence, process, \"user\", summary, details, tags, action) "
	        "FROM sense.findings WHERE sequence = 3"),
	    "service 2 ai.service.chat services 10.1.2.3 40000 2001:db8::1 443 claude.ai claude Claude chat 90 "
	    "{\"sni:claude.ai (exact, grade A)\",\"dns:claude.ai (exact, grade A)\"} firefox alice firefox used Claude "
	    "(claude.ai) {\"ja4\": \"t13d1516h2_8daaf6152771_02713d6af862\", \"quic\": true, \"event\": \"flow.classified\", "
	    "\"bytes_up\": 123456} {atlas:AML.T0024} alert",
	    "column by column");
	is_str(sql("SELECT id FROM sense.findings WHERE sequence = 3"),
	       "00000000-0000-0001-0000-000000000003", "its id");
	got = send_and_wait(ingest, 1, 0, 10);
	is_answer(&got, SENSE_INGEST_STORED, 10, "again: it is stored");
	got = send_and_wait(ingest, 1, 4, 8);
	is_answer(&got, SENSE_INGEST_STORED, 10, "a part of it: likewise, through where it was");
	is_str(sql("SELECT count(*) FROM sense.findings"), "10", "and nothing is doubled");
	got = send_and_wait(ingest, 1, 5, 15);
	is_answer(&got, SENSE_INGEST_STORED, 15, "one that overlaps");
	is_str(exactly_once(1, 15), "", "adds what is new");
	got = send_and_wait(ingest, 1, 20, 25);
	is_answer(&got, SENSE_INGEST_GAP, 15, "one that leaves a gap says where to go on");
	is_str(exactly_once(1, 15), "", "and adds nothing");
	got = send_and_wait(ingest, 1, 15, 15);
	is_answer(&got, SENSE_INGEST_STORED, 15, "an empty one asks how far it is");

	/* The later one comes first. */
	send_plain(ingest, 1, 30, 40, keep, &second);
	send_plain(ingest, 1, 15, 30, keep, &first);
	turn_until(&second.count, 1);
	turn_until(&first.count, 1);
	is_answer(&second, SENSE_INGEST_GAP, 15, "out of order: the later one has a gap");
	is_answer(&first, SENSE_INGEST_STORED, 30, "the earlier one is stored");

	/* In order, one behind the other: one claim. */
	struct answer chain[5] = {{0}};
	for (unsigned i = 0; i < 5; i++)
		send_plain(ingest, 1, 30 + 10 * i, 40 + 10 * i, keep, &chain[i]);
	turn_until(&chain[4].count, 1);
	is_answer(&chain[0], SENSE_INGEST_STORED, 80, "batches that follow each other go together");
	is_answer(&chain[4], SENSE_INGEST_STORED, 80, "all of them");
	is_str(exactly_once(1, 80), "", "exactly once");
	sense_ingest_free(ingest);
}

static void strangers(void)
{
	sense_ingest *ingest = open_ingest((struct sense_ingest_config){0});
	struct answer got = send_and_wait(ingest, 999, 0, 3), wrong = {0}, right = {0};
	static const struct made plain = {0};
	struct wire wire;

	is_answer(&got, SENSE_INGEST_DENIED, 0, "an agent that is not known is denied");
	wire_begin(&wire, 80, 1);
	wire_add(&wire, 1, 81, &plain);
	wire_submit(&wire, ingest, ORG_B, 1, keep, &wrong);
	send_plain(ingest, 2, 0, 1, keep, &right);
	turn_until(&wrong.count, 1);
	turn_until(&right.count, 1);
	is_answer(&wrong, SENSE_INGEST_DENIED, 0, "and one in another organization");
	is_answer(&right, SENSE_INGEST_STORED, 1, "others beside them are stored");
	is_str(sql("SELECT count(*) FROM sense.findings WHERE org_id <> '" ORG_A "'"), "0",
	       "nothing was written there");

	wire_begin(&wire, 5, 2);
	wire_add(&wire, 1, 7, &plain);
	wire_add(&wire, 1, 6, &plain);
	is_num(wire_submit(&wire, ingest, ORG_A, 1, keep, &wrong), SENSE_INGEST_INVALID,
	       "sequences that fall are no batch");
	wire_begin(&wire, 5, 1);
	wire_add(&wire, 1, UINT64_C(1) << 63, &plain);
	is_num(wire_submit(&wire, ingest, ORG_A, 1, keep, &wrong), SENSE_INGEST_INVALID,
	       "nor those out of range");
	sense_ingest_free(ingest);
}

/* ---- what is set aside ------------------------------------------------------------------------------------------ */

static void quarantine(void)
{
	sense_ingest *ingest = open_ingest((struct sense_ingest_config){.retention = 30});
	uint64_t now = sense_clock_us();
	const struct made plain = {0}, severe = {.severity = "deadly"}, nowhere = {.source_ip = "10.1.2"},
			  old = {.timestamp = now - UINT64_C(40) * 86400 * 1000000},
			  late = {.timestamp = now - UINT64_C(20) * 86400 * 1000000},
			  ahead = {.timestamp = now + UINT64_C(400) * 86400 * 1000000};
	struct answer got = {0};
	struct wire wire;

	start_over(1);
	wire_begin(&wire, 0, 8);
	wire_add(&wire, 1, 1, &plain);
	sense_message_put_finding(&wire.writer, 2, (const uint8_t *)"\xff\x00\x01", 3);
	wire_add(&wire, 1, 3, &severe);
	wire_add(&wire, 1, 4, &nowhere);
	wire_add(&wire, 1, 5, &old);
	wire_add(&wire, 1, 6, &late);
	wire_add(&wire, 1, 7, &ahead);
	wire_add(&wire, 1, 8, &plain);
	wire_submit(&wire, ingest, ORG_A, 1, keep, &got);
	turn_until(&got.count, 1);
	is_answer(&got, SENSE_INGEST_STORED, 8, "a batch with findings that are none is stored");
	is_num(got.refused, 4, "and says how many were set aside");
	is_str(exactly_once(1, 8), "", "all are somewhere, once");
	is_str(
	    sql("SELECT string_agg(sequence || ' ' || reason, ', ' ORDER BY sequence) FROM sense.findings_quarantine"),
	    "2 has a value of the wrong type, 3 has a severity that is none, 4 has an address that is none, 5 is older "
	    "than findings are kept",
	    "with the reason");
	is_str(sql("SELECT finding FROM sense.findings_quarantine WHERE sequence = 2"), "\\xff0001",
	       "as it came");
	is_str(sql("SELECT tableoid::regclass FROM sense.findings WHERE sequence = 6"), "findings_default",
	       "a late one is kept, though its day has no partition");
	is_str(
	    sql("SELECT ts = received AND (details->>'timestamp_claimed')::bigint = %llu FROM sense.findings WHERE "
	        "sequence = 7",
	        (unsigned long long)ahead.timestamp),
	    "t", "one from the future counts as received now, and keeps what it claims");
	sql("SELECT sense.make_partitions()");
	is_str(
	    sql("SELECT tableoid::regclass <> 'sense.findings_default'::regclass FROM sense.findings WHERE sequence = 6"),
	    "t", "the late one moves to its day when that has a partition");
	sense_ingest_free(ingest);
}

static void refused_by_database(void)
{
	sense_ingest *ingest = open_ingest((struct sense_ingest_config){0});
	const struct made plain = {0}, bad = {.rule = "poison"};
	struct answer got[3] = {{0}};
	struct wire wire;

	start_over(3);
	sql("ALTER TABLE sense.findings ADD CONSTRAINT taste CHECK (rule <> 'poison')");
	for (unsigned agent = 1; agent <= 3; agent++) {
		wire_begin(&wire, 0, 100);
		for (unsigned i = 1; i <= 100; i++)
			wire_add(&wire, agent, i, agent == 2 && (i == 37 || i == 100) ? &bad : &plain);
		wire_submit(&wire, ingest, ORG_A, agent, keep, &got[agent - 1]);
	}
	for (unsigned i = 0; i < 3; i++)
		turn_until(&got[i].count, 1);
	is_answer(&got[0], SENSE_INGEST_STORED, 100,
	          "a row that the database refuses does not hold up another agent");
	is_answer(&got[1], SENSE_INGEST_STORED, 100, "nor its own");
	is_num(got[1].refused, 2, "which hears of two that were set aside");
	is_answer(&got[2], SENSE_INGEST_STORED, 100, "nor who comes behind");
	is_str(
	    sql("SELECT string_agg(sequence || ' ' || (reason LIKE '%%taste%%'), ', ' ORDER BY sequence) FROM "
	        "sense.findings_quarantine"),
	    "37 true, 100 true", "those two, with what the database said");
	is_str(exactly_once(3, 100), "", "all are somewhere, once");

	struct answer all = {0};
	wire_begin(&wire, 100, 20);
	for (unsigned i = 101; i <= 120; i++)
		wire_add(&wire, 1, i, &bad);
	wire_submit(&wire, ingest, ORG_A, 1, keep, &all);
	turn_until(&all.count, 1);
	ok(all.outcome == SENSE_INGEST_STORED && all.refused == 20, "a batch of nothing else");

	/* What the data are not to blame for is answered as away. */
	sql("ALTER TABLE sense.findings DROP CONSTRAINT taste; ALTER TABLE sense.findings RENAME TO mislaid");
	struct answer lost = send_and_wait(ingest, 1, 120, 130);
	is_answer(&lost, SENSE_INGEST_AWAY, 0, "a table that is not there: away, nothing is set aside");
	sql("ALTER TABLE sense.mislaid RENAME TO findings");
	lost = send_and_wait(ingest, 1, 120, 130);
	is_answer(&lost, SENSE_INGEST_STORED, 130, "and stored when it is there again");
	sense_ingest_free(ingest);
}

/* ---- midnight --------------------------------------------------------------------------------------------------------- */

static void midnight(void)
{
	sense_ingest *ingest = open_ingest((struct sense_ingest_config){0});
	uint64_t day = UINT64_C(86400000000), today = sense_clock_us() / day * day;
	const struct made before = {.timestamp = today - 1}, after = {.timestamp = today};
	struct answer got = {0};
	struct wire wire;

	start_over(1);
	wire_begin(&wire, 0, 2);
	wire_add(&wire, 1, 1, &before);
	wire_add(&wire, 1, 2, &after);
	wire_submit(&wire, ingest, ORG_A, 1, keep, &got);
	turn_until(&got.count, 1);
	is_str(
	    sql("SELECT count(DISTINCT tableoid) || ' ' || bool_and(tableoid = ('sense.' || sense.partition_of("
	        "sense.day_of(ts)))::regclass) FROM sense.findings"),
	    "2 true", "either side of midnight UTC goes to its own day");
	is_str(sql("SELECT count(DISTINCT hour) || ' ' || sum(findings) FROM sense.findings_hourly_new"),
	       "2 2", "and is counted in its own hour");
	sense_ingest_free(ingest);
}

/* ---- bounds -------------------------------------------------------------------------------------------------------------- */

static void bounds(void)
{
	sense_ingest *ingest =
	    open_ingest((struct sense_ingest_config){.bytes = 200000, .timeout_us = 500000});
	struct answer got[64] = {{0}};
	unsigned taken = 0;

	start_over(64);
	stores_kill_postgres(SIGQUIT);
	for (unsigned i = 0; i < 20; i++) /* until that is known */
		ev_run(loop, EVRUN_ONCE);
	while (taken < 64 && send_plain(ingest, taken + 1, 0, 20, keep, &got[taken]) == SENSE_INGEST_TAKEN)
		taken++;
	ok(taken > 2 && taken < 64 && sense_ingest_is_full(ingest),
	   "without a database it is full after %u batches", taken);
	for (unsigned i = 0; i < taken; i++)
		turn_until(&got[i].count, 1);
	is_answer(&got[0], SENSE_INGEST_AWAY, 0, "after a while they are away");
	is_answer(&got[taken - 1], SENSE_INGEST_AWAY, 0, "all of them");
	ok(!sense_ingest_is_full(ingest), "and there is room again");
	ok(stores_start_again(), "the database is back");
	struct answer again = {0};
	for (unsigned i = 0; i < 100 && again.outcome != SENSE_INGEST_STORED + (again.count == 0); i++)
		again = send_and_wait(ingest, 1, 0, 20);
	is_answer(&again, SENSE_INGEST_STORED, 20, "and findings are taken");

	struct answer open = {0};
	send_plain(ingest, 2, 0, 20, keep, &open);
	sense_ingest_free(ingest);
	is_answer(&open, SENSE_INGEST_AWAY, 0, "what is open at the end is answered");
}

/* ---- a database that stands still ------------------------------------------------------------------------------- */

static void signal_writers(int number, pid_t pids[2])
{
	if (number == SIGSTOP)
		for (unsigned i = 0; i < 2; i++)
			pids[i] = (pid_t)atoi(
			    sql("SELECT pid FROM pg_stat_activity WHERE application_name = 'sense-server "
			        "ingest' ORDER BY pid OFFSET %u LIMIT 1",
			        i));
	for (unsigned i = 0; i < 2; i++)
		if (pids[i] > 0)
			kill(pids[i], number);
}

static void frozen(void)
{
	sense_ingest *ingest = open_ingest((struct sense_ingest_config){.timeout_us = 400000});
	struct answer got = send_and_wait(ingest, 1, 0, 20);
	pid_t pids[2];

	start_over(1);
	got = send_and_wait(ingest, 1, 0, 20);
	is_answer(&got, SENSE_INGEST_STORED, 20, "all is well");
	/* Another session has the agent's row for longer than anybody waits. */
	sql("BEGIN; SELECT FROM sense.agent_progress FOR UPDATE");
	got = send_and_wait(ingest, 1, 20, 40);
	is_answer(&got, SENSE_INGEST_AWAY, 0, "a lock that is held for long: away, not stuck");
	sql("COMMIT");
	got = send_and_wait(ingest, 1, 20, 40);
	is_answer(&got, SENSE_INGEST_STORED, 40, "and stored when it is given up");
	signal_writers(SIGSTOP, pids);
	got = send_and_wait(ingest, 1, 40, 60);
	is_answer(&got, SENSE_INGEST_AWAY, 0, "sessions that do not answer any more: away");
	for (unsigned i = 0; i < 50 && got.outcome != SENSE_INGEST_STORED; i++)
		got = send_and_wait(ingest, 1, 40, 60);
	is_answer(&got, SENSE_INGEST_STORED, 60, "and new ones take their place");
	signal_writers(SIGCONT, pids);
	got = send_and_wait(ingest, 1, 60, 80);
	is_answer(&got, SENSE_INGEST_STORED, 80, "also when the old ones wake up");
	is_str(exactly_once(1, 80), "", "exactly once");
	sense_ingest_free(ingest);
}

int main(void)
{
	ev_timer tick;

	if (!ok(stores_start(false) && make_schema(3), "a database"))
		return tap_done();
	loop = ev_loop_new(EVFLAG_AUTO);
	ev_timer_init(&tick, on_tick, 0.01, 0.01);
	ev_timer_start(loop, &tick);
	one_agent();
	strangers();
	quarantine();
	refused_by_database();
	midnight();
	frozen();
	bounds();
	ev_timer_stop(loop, &tick);
	ev_loop_destroy(loop);
	return tap_done();
}
