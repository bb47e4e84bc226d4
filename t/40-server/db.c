/* The pool against a real PostgreSQL: statements, organizations, limits, NOTIFY, and a database that is killed. */
#include <stdio.h>

#include "server/store/db.h"
#include "server/store/migrate.h"
#include "t/stores.h"

#define ORG_A "00000000-0000-4000-8000-00000000000a"
#define ORG_B "00000000-0000-4000-8000-00000000000b"

static struct ev_loop *loop;
static sense_db *db;

struct answer {
	unsigned count;
	enum sense_db_outcome outcome;
	char sqlstate[6], message[256], value[256];
	unsigned rows, columns;
	bool null;
};

static void keep(void *self, const struct sense_db_result *result)
{
	struct answer *answer = self;
	answer->count++;
	answer->outcome = result->outcome;
	answer->rows = result->rows;
	answer->columns = result->columns;
	snprintf(answer->sqlstate, sizeof(answer->sqlstate), "%s", result->sqlstate);
	snprintf(answer->message, sizeof(answer->message), "%s", result->message);
	const char *value = result->outcome == SENSE_DB_DONE ? sense_db_value(result, 0, 0) : NULL;
	answer->null = !value;
	snprintf(answer->value, sizeof(answer->value), "%s", value ? value : "");
}

/* Turns the loop until *done or for as long as a test may take. */
static bool turn_until(const unsigned *done, unsigned wanted)
{
	ev_tstamp until = ev_time() + 30;
	ev_now_update(loop);
	while (*done < wanted && ev_time() < until)
		ev_run(loop, EVRUN_ONCE);
	return *done >= wanted;
}

static struct answer ask(const char *org, const struct sense_db_statement *statement,
                         const struct sense_db_param *params, unsigned count)
{
	static struct answer answer;
	answer = (struct answer){0};
	if (!sense_db_ask(db, org, statement, params, count, keep, &answer))
		fprintf(stderr, "# not taken\n");
	if (answer.count)
		fprintf(stderr, "# answered from within the call\n");
	turn_until(&answer.count, 1);
	return answer;
}

static void open_pool(unsigned connections, uint64_t timeout_us)
{
	struct sense_db_config config = {stores.embedded.conninfo, connections, timeout_us};
	db = sense_db_new(loop, &config, NULL);
}

static void on_tick(struct ev_loop *l, ev_timer *timer, int events)
{
	(void)l, (void)timer, (void)events; /* so that EVRUN_ONCE always returns */
}

static void statements(void)
{
	static const struct sense_db_statement add = {"add", "SELECT $1::int + 1, NULL, true, 'x'"};
	static const struct sense_db_statement bytes = {"bytes", "SELECT $1::bytea, $2::text IS NULL"};
	static const struct sense_db_statement wrong = {"wrong", "SELECT nothing FROM nowhere"};
	static const struct sense_db_statement divide = {"divide", "SELECT 1 / $1::int"};

	struct answer got = ask(NULL, &add, (struct sense_db_param[]){SENSE_DB_TEXT("41")}, 1);
	is_num(got.outcome, SENSE_DB_DONE, "a statement is answered");
	is_str(got.value, "42", "with its value");
	is_num(got.rows * 10 + got.columns, 14, "one row of four columns");
	for (unsigned i = 0; i < 3; i++)
		got = ask(NULL, &add, (struct sense_db_param[]){SENSE_DB_TEXT("1")}, 1);
	is_str(got.value, "2", "prepared, and asked again");

	uint8_t raw[3] = {0, 0xff, 7};
	got = ask(NULL, &bytes, (struct sense_db_param[]){SENSE_DB_BYTES(raw, 3), SENSE_DB_TEXT(NULL)}, 2);
	is_str(got.value, "\\x00ff07", "binary parameters and NULL");

	for (unsigned i = 0; i < 2; i++) {
		got = ask(NULL, &wrong, NULL, 0);
		is_num(got.outcome, SENSE_DB_REFUSED, "a statement that is wrong is refused");
		is_str(got.sqlstate, "42P01", "with why");
	}
	got = ask(NULL, &divide, (struct sense_db_param[]){SENSE_DB_TEXT("0")}, 1);
	is_str(got.sqlstate, "22012", "one that fails, too: %s", got.message);
	got = ask(NULL, &divide, (struct sense_db_param[]){SENSE_DB_TEXT("1")}, 1);
	is_str(got.value, "1", "and nothing is broken by it");
}

static void values(void *self, const struct sense_db_result *result)
{
	uint8_t out[2] = {0, 0};
	is_num(sense_db_uint(result, 0, 0), 18446744073709551615ull, "a number of 64 bits");
	ok(sense_db_bool(result, 0, 1) && !sense_db_bool(result, 0, 2), "booleans");
	ok(!sense_db_value(result, 0, 3) && !sense_db_uint(result, 0, 3), "NULL");
	is_num(sense_db_bytes(result, 0, 4, out, sizeof(out)), 3, "bytes: how many there are");
	ok(out[0] == 0xab && out[1] == 0x01, "as many as fit");
	ok(!sense_db_value(result, 1, 0) && !sense_db_value(result, 0, 9), "what is not there is NULL");
	is_num(sense_db_len(result, 0, 5), 4, "lengths");
	++*(unsigned *)self;
}

static void organizations(void)
{
	static const struct sense_db_statement hosts = {"hosts",
	                                                "SELECT string_agg(host, ',') FROM sense.agents"};
	static const struct sense_db_statement who = {"who",
	                                              "SELECT current_user || '/' || "
	                                              "coalesce(current_setting('sense.org', true), '')"};
	static const struct sense_db_statement steal = {
	    "steal", "UPDATE sense.agents SET host = 'stolen' WHERE id = $1 RETURNING host"};
	static const struct sense_db_statement kinds = {
	    "kinds", "SELECT 18446744073709551615::numeric, true, false, NULL, '\\xab0102'::bytea, 'text'"};
	unsigned done = 0;

	sql("INSERT INTO sense.organizations (id, name) VALUES ('" ORG_A "', 'a'), ('" ORG_B "', 'b')");
	sql("INSERT INTO sense.agents (id, org_id, host) VALUES ('" ORG_A "', '" ORG_A "', 'ha'), ('" ORG_B
	    "', '" ORG_B "', 'hb')");
	is_str(ask(ORG_A, &hosts, NULL, 0).value, "ha", "an organization sees its own rows");
	is_str(ask(ORG_B, &hosts, NULL, 0).value, "hb", "the same statement, another one");
	is_str(ask(NULL, &hosts, NULL, 0).value, "ha,hb", "one about none sees all");
	is_str(ask(ORG_A, &who, NULL, 0).value, "sense_api/" ORG_A, "by its role");
	is_str(ask(NULL, &who, NULL, 0).value, "sense/", "of which nothing is left behind");
	struct answer got = ask(ORG_A, &steal, (struct sense_db_param[]){SENSE_DB_TEXT(ORG_B)}, 1);
	ok(got.outcome == SENSE_DB_DONE && got.rows == 0, "rows of another cannot be changed");
	got = ask("no uuid", &hosts, NULL, 0);
	is_str(got.sqlstate, "22P02", "what is no organization is refused");
	is_str(ask(ORG_A, &hosts, NULL, 0).value, "ha", "and harms nothing");

	sense_db_ask(db, NULL, &kinds, NULL, 0, values, &done);
	turn_until(&done, 1);
}

static unsigned order_next, order_wrong, order_done;

static void in_order(void *self, const struct sense_db_result *result)
{
	(void)result;
	order_wrong += (uintptr_t)self != order_next++;
	order_done++;
}

static void many(void)
{
	static const struct sense_db_statement one = {"one", "SELECT 1"};
	unsigned taken = 0;

	sense_db_free(db);
	open_pool(1, 20000000);
	while (sense_db_ask(db, taken & 1 ? ORG_A : NULL, &one, NULL, 0, in_order, (void *)(uintptr_t)taken))
		taken++;
	is_num(taken, SENSE_DB_WAITING_MAX, "so many wait, and no more");
	turn_until(&order_done, taken);
	is_num(order_done, taken, "all are answered");
	is_num(order_wrong, 0, "in order, on one connection");
	sense_db_ask(db, NULL, &one, NULL, 0, in_order, (void *)(uintptr_t)taken);
	sense_db_free(db);
	is_num(order_done, taken + 1, "what is open at the end is answered");
}

static void limits(void)
{
	static const struct sense_db_statement sleep_long = {"sleep", "SELECT pg_sleep(60)"};
	static const struct sense_db_statement pid = {"pid", "SELECT pg_backend_pid()"};
	struct answer stuck = {0}, behind = {0};

	open_pool(1, 300000);
	struct answer got = ask(NULL, &sleep_long, NULL, 0);
	is_num(got.outcome, SENSE_DB_TIMEOUT, "a statement that takes too long");
	got = ask(NULL, &pid, NULL, 0);
	is_num(got.outcome, SENSE_DB_DONE, "is ended by the server; the connection goes on");

	pid_t backend = (pid_t)atoi(got.value);
	kill(backend, SIGSTOP);
	sense_db_ask(db, NULL, &pid, NULL, 0, keep, &stuck);
	sense_db_ask(db, NULL, &pid, NULL, 0, keep, &behind);
	turn_until(&behind.count, 1);
	ok(stuck.outcome == SENSE_DB_TIMEOUT && behind.outcome == SENSE_DB_TIMEOUT,
	   "a server that does not answer");
	for (unsigned i = 0; i < 200; i++) {
		got = ask(NULL, &pid, NULL, 0);
		if (got.outcome == SENSE_DB_DONE)
			break;
	}
	ok(got.outcome == SENSE_DB_DONE && atoi(got.value) != backend, "is given up for another connection");
	is_num(stuck.count + behind.count, 2, "each is answered once");
	kill(backend, SIGCONT);
	sense_db_free(db);
}

static unsigned heard_count, heard_again;
static char heard_last[64];

static void heard(void *self, const char *channel, const char *payload)
{
	(void)self;
	heard_again += !*payload;
	snprintf(heard_last, sizeof(heard_last), "%.20s:%.20s", channel, payload);
	heard_count++;
}

static void notices(void)
{
	open_pool(1, 5000000);
	ok(sense_db_listen(db, "Policies of \"all\"", heard, NULL), "a channel");
	turn_until(&heard_count, 1);
	is_num(heard_again, 1, "heard once when it is there");
	sql("NOTIFY \"Policies of \"\"all\"\"\", 'new'");
	turn_until(&heard_count, 2);
	is_str(heard_last, "Policies of \"all\":new", "what is said there");
	sql("SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE application_name = 'sense-server listener'");
	turn_until(&heard_count, 3);
	is_num(heard_again, 2,
	       "after the connection broke it is heard again that something may have been missed");
	sql("NOTIFY \"Policies of \"\"all\"\"\", 'newer'");
	turn_until(&heard_count, 4);
	is_str(heard_last, "Policies of \"all\":newer", "and then all goes on");
	sense_db_free(db);
}

/* ---- a database that is killed under load ------------------------------------------------------------------- */

#define LOAD 6000u
static unsigned char outcomes[LOAD]; /* 0: not answered; else outcome + 1; twice: 255 */
static unsigned answered;

static void on_load(void *self, const struct sense_db_result *result)
{
	unsigned n = (unsigned)(uintptr_t)self;
	outcomes[n] = outcomes[n] ? 255 : (unsigned char)(result->outcome + 1);
	answered++;
}

static void killed(void)
{
	static const struct sense_db_statement put = {"put", "INSERT INTO load VALUES ($1::int)"};
	unsigned twice = 0, done = 0, away = 0, other = 0, asked = 0, kills = 0;

	sql("CREATE TABLE load (n int)");
	open_pool(3, 20000000);
	while (asked < LOAD) {
		char n[16];
		snprintf(n, sizeof(n), "%u", asked);
		if (asked - answered < 200 &&
		    sense_db_ask(db, NULL, &put, (struct sense_db_param[]){SENSE_DB_TEXT(n)}, 1, on_load,
		                 (void *)(uintptr_t)asked))
			asked++;
		else
			ev_run(loop, EVRUN_ONCE);
		if (answered > (kills + 1) * LOAD / 4 && kills < 2) {
			stores_kill_postgres(kills++ ? SIGKILL : SIGQUIT);
			if (!stores_start_again())
				break;
		}
	}
	turn_until(&answered, LOAD);
	for (unsigned i = 0; i < LOAD; i++) {
		twice += outcomes[i] == 255;
		done += outcomes[i] == SENSE_DB_DONE + 1;
		away += outcomes[i] == SENSE_DB_AWAY + 1;
		other += outcomes[i] && outcomes[i] != SENSE_DB_DONE + 1 && outcomes[i] != SENSE_DB_AWAY + 1;
	}
	is_num(answered, LOAD, "killed twice under load: each statement is answered");
	is_num(twice + other, 0, "once, as done or as away");
	ok(away > 0 && away < 1000 && done + away == LOAD, "those under way are away: %u", away);
	struct sense_db_stats stats;
	sense_db_stats(db, &stats);
	/* Those that nobody waits for come after their pauses. */
	for (unsigned i = 0; i < 600 && stats.connected < 3; i++) {
		ev_sleep(0.05);
		ev_run(loop, EVRUN_NOWAIT);
		sense_db_stats(db, &stats);
	}
	is_num(stats.connected, 3, "all connections are there again");
	unsigned kept = (unsigned)atoi(sql("SELECT count(DISTINCT n) FROM load"));
	ok(kept >= done && kept <= done + away, "what was done is kept: %u of %u", kept, done);
	is_str(sql("SELECT count(*) - count(DISTINCT n) FROM load"), "0", "and nothing was sent twice");
	sense_db_free(db);
}

static void absent(void)
{
	static const struct sense_db_statement one = {"one", "SELECT 1"};

	stores_kill_postgres(SIGQUIT);
	open_pool(2, 500000);
	struct answer got = ask(NULL, &one, NULL, 0);
	is_num(got.outcome, SENSE_DB_AWAY, "without a database a statement is away: %s", got.message);
	ok(!sense_db_is_up(db), "which can be asked");
	ok(stores_start_again(), "it starts");
	for (unsigned i = 0; i < 100 && got.outcome != SENSE_DB_DONE; i++)
		got = ask(NULL, &one, NULL, 0);
	is_num(got.outcome, SENSE_DB_DONE, "and is found");
	sense_db_free(db);
}

int main(void)
{
	struct sense_migrate_report report;
	sense_error err;
	ev_timer tick;

	if (!ok(stores_start(false), "a database"))
		return tap_done();
	sense_migrate(&(struct sense_migrate_config){.conninfo = stores.embedded.conninfo}, &report, &err);
	loop = ev_loop_new(EVFLAG_AUTO);
	ev_timer_init(&tick, on_tick, 0.01, 0.01);
	ev_timer_start(loop, &tick);
	open_pool(2, 20000000);
	statements();
	organizations();
	many();
	limits();
	notices();
	killed();
	absent();
	ev_timer_stop(loop, &tick);
	ev_loop_destroy(loop);
	return tap_done();
}
