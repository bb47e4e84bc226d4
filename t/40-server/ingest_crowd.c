/*
 * A crowd of agents over two servers' worth of ingest at once: batches cut at random, sent twice, early, over two
 * connections, while the database is killed in every phase. Afterwards each finding is there once.
 */
#include "t/40-server/ingest.h"

#define AGENTS 40u
#define TOTAL 400u /* findings of each */
#define WINDOW 3u  /* batches under way of each, about */

static struct ev_loop *loop;
static sense_ingest *servers[2];
static unsigned seed = 1;

struct agent {
	unsigned number, total;
	uint64_t through, sent;
	unsigned under_way;
	bool wrong; /* an acknowledgement went back, or beyond what there is */
};

static struct agent crowd[AGENTS];
static unsigned answers, stored, gaps, away_count, other;

static unsigned pick(unsigned below)
{
	seed = seed * 1103515245u + 12345u;
	return (seed >> 16) % below;
}

static void on_answer(void *self, enum sense_ingest_outcome outcome, uint64_t through, uint32_t refused)
{
	struct agent *agent = self;

	(void)refused;
	agent->under_way--;
	answers++;
	stored += outcome == SENSE_INGEST_STORED;
	gaps += outcome == SENSE_INGEST_GAP;
	away_count += outcome == SENSE_INGEST_AWAY;
	other += outcome == SENSE_INGEST_DENIED;
	if (outcome == SENSE_INGEST_STORED || outcome == SENSE_INGEST_GAP) {
		agent->wrong = agent->wrong || through > agent->total;
		if (through > agent->through)
			agent->through = through;
	}
	if (outcome != SENSE_INGEST_STORED || agent->sent < agent->through)
		agent->sent = agent->through;
}

/* One batch: mostly the next one, now and then one from before, or one that leaves a gap. */
static void send_some(struct agent *agent)
{
	uint64_t after = agent->sent;
	unsigned dice = pick(10);

	if (dice == 0)
		after = agent->through ? pick((unsigned)agent->through) : 0;
	else if (dice == 1)
		after += 1 + pick(20);
	uint64_t last = after + 1 + pick(60);
	last = last > agent->total ? agent->total : last;
	if (after >= last)
		after = agent->through, last = agent->total < after + 50 ? agent->total : after + 50;
	if (send_plain(servers[pick(2)], agent->number, after, last, on_answer, agent) != SENSE_INGEST_TAKEN)
		return;
	agent->under_way++;
	if (dice > 1)
		agent->sent = last;
}

static bool is_done(void)
{
	for (unsigned i = 0; i < AGENTS; i++)
		if (crowd[i].through < crowd[i].total || crowd[i].under_way)
			return false;
	return true;
}

static void begin(unsigned total)
{
	for (unsigned i = 0; i < AGENTS; i++)
		crowd[i] = (struct agent){.number = i + 1, .total = total};
	answers = stored = gaps = away_count = other = 0;
	sql("TRUNCATE sense.findings, sense.findings_quarantine, sense.findings_hourly_new, sense.findings_hourly, "
	    "sense.outbox; UPDATE sense.agent_progress SET through = 0");
}

static void turn(void)
{
	for (unsigned n = 0; n < AGENTS; n++) {
		struct agent *agent = &crowd[pick(AGENTS)];
		if (agent->under_way < WINDOW && agent->through < agent->total)
			send_some(agent);
	}
	ev_run(loop, EVRUN_ONCE);
}

static void open_servers(void)
{
	for (unsigned i = 0; i < 2; i++)
		servers[i] =
		    sense_ingest_new(loop,
		                     &(struct sense_ingest_config){.conninfo = stores.embedded.conninfo,
		                                                   .rows = 300,
		                                                   .delay_us = 1000,
		                                                   .timeout_us = 5000000},
		                     NULL);
}

static void judge(const char *what, unsigned total)
{
	unsigned wrong = 0;
	for (unsigned i = 0; i < AGENTS; i++)
		wrong += crowd[i].wrong;
	is_num(wrong + other, 0, "%s: acknowledgements are of what was sent", what);
	is_str(exactly_once(AGENTS, total), "", "%s: each finding is there once", what);
	is_str(sql("SELECT count(*) FROM sense.agent_progress WHERE through <> %u AND agent_id <= '%s'",
	           total, agent_id(AGENTS)),
	       "0", "%s: and all agents are through", what);
}

static void on_tick(struct ev_loop *l, ev_timer *timer, int events)
{
	(void)l, (void)timer, (void)events;
}

static void quiet(void)
{
	uint64_t until = sense_clock_us() + 60000000;

	begin(TOTAL);
	while (!is_done() && sense_clock_us() < until)
		turn();
	ok(is_done(), "all comes through, out of order, twice and with gaps");
	ok(gaps > 0 && stored > AGENTS, "%u batches, of which %u had a gap", answers, gaps);
	judge("two servers", TOTAL);
	is_str(sql("SELECT deadlocks FROM pg_stat_database WHERE datname = 'sense'"), "0",
	       "without a deadlock");
}

static bool turn_while(bool (*condition)(void))
{
	uint64_t until = sense_clock_us() + 60000000;
	while (condition() && sense_clock_us() < until)
		turn();
	return !condition();
}

static unsigned goal;
static bool below_goal(void)
{
	return answers < goal && !is_done();
}

static void killed(void)
{
	static const int signals[] = {SIGKILL, SIGQUIT, SIGINT};
	unsigned kills = 0;

	begin(TOTAL);
	/* At another moment each time: between two batches, in the claim, in a COPY, before or after the commit. */
	for (; kills < 8 && !is_done(); kills++) {
		goal = answers + 5 + pick(60);
		if (!turn_while(below_goal))
			break;
		for (unsigned i = pick(4); i; i--)
			turn();
		stores_kill_postgres(signals[kills % 3]);
		if (!stores_start_again())
			break;
	}
	uint64_t until = sense_clock_us() + 60000000;
	while (!is_done() && sense_clock_us() < until)
		turn();
	ok(is_done() && kills >= 4, "the database is stopped %u times at any moment, and all comes through",
	   kills);
	ok(away_count > 0, "%u of %u batches had to be sent again", away_count, answers);
	judge("killed", TOTAL);
}

/* Only the sessions end: each in the middle of what it does. */
static void cut_off(void)
{
	unsigned cuts = 0;
	uint64_t until = sense_clock_us() + 60000000;

	begin(TOTAL);
	while (!is_done() && sense_clock_us() < until) {
		turn();
		if (pick(12) == 0 && cuts < 60) {
			sql("SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE application_name = 'sense-server "
			    "ingest' ORDER BY random() LIMIT 2");
			cuts++;
		}
	}
	ok(is_done() && cuts > 5, "connections are cut %u times, and all comes through", cuts);
	judge("cut off", TOTAL);
}

/* What the database refuses now and then, with everything else going on. */
static void poisoned(void)
{
	begin(TOTAL);
	sql("ALTER TABLE sense.findings ADD CONSTRAINT taste CHECK (sequence %% 97 <> 0)");
	uint64_t until = sense_clock_us() + 60000000;
	while (!is_done() && sense_clock_us() < until)
		turn();
	ok(is_done(), "rows that are refused hold up nobody");
	judge("poisoned", TOTAL);
	char want[32];
	snprintf(want, sizeof(want), "%u", AGENTS * (TOTAL / 97));
	is_str(sql("SELECT count(*) FROM sense.findings_quarantine"), want,
	       "they are set aside, and only they");
	sql("ALTER TABLE sense.findings DROP CONSTRAINT taste");
}

int main(void)
{
	ev_timer tick;

	if (!ok(stores_start(false) && make_schema(AGENTS), "a database"))
		return tap_done();
	loop = ev_loop_new(EVFLAG_AUTO);
	ev_timer_init(&tick, on_tick, 0.005, 0.005);
	ev_timer_start(loop, &tick);
	open_servers();
	quiet();
	poisoned();
	cut_off();
	killed();
	for (unsigned i = 0; i < 2; i++)
		sense_ingest_free(servers[i]);
	ev_timer_stop(loop, &tick);
	ev_loop_destroy(loop);
	return tap_done();
}
