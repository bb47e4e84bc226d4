/* From the outbox to a real Redis: in order, once, through outages of either. */
#include <hiredis/hiredis.h>

#include "server/ingest/outbox.h"
#include "t/40-server/ingest.h"

#define ROUND 700u

static struct ev_loop *loop;
static sense_db *db;
static sense_ingest_outbox *outbox;
static unsigned batches;

static void on_tick(struct ev_loop *l, ev_timer *timer, int events)
{
	(void)l, (void)timer, (void)events;
}

static void store(unsigned count)
{
	sql("INSERT INTO sense.outbox (org_id, agent_id, first_sequence, last_sequence, first_ts, last_ts) SELECT '" ORG_A
	    "', '%s', n, n, to_timestamp(1790000000), to_timestamp(1790000001.5) FROM generate_series(%u, %u) n",
	    agent_id(1), batches + 1, batches + count);
	batches += count;
}

/* "" when the stream has entries 1 to count, in order, once. */
static const char *stream_is(unsigned count)
{
	static char wrong[256];
	redisContext *redis = redisConnectUnix(stores.embedded.redis_path);
	redisReply *reply = redis->err ? NULL : redisCommand(redis, "XRANGE " SENSE_OUTBOX_STREAM " - +");

	wrong[0] = '\0';
	if (!reply || reply->type != REDIS_REPLY_ARRAY)
		snprintf(wrong, sizeof(wrong), "no stream");
	for (unsigned i = 0; !*wrong && i < reply->elements; i++) {
		const redisReply *fields = reply->element[i]->element[1];
		unsigned first = (unsigned)atoi(fields->element[5]->str);
		if (first != i + 1)
			snprintf(wrong, sizeof(wrong), "entry %u (%s) is batch %u", i + 1,
			         reply->element[i]->element[0]->str, first);
	}
	if (!*wrong && reply->elements != count)
		snprintf(wrong, sizeof(wrong), "%zu entries", reply->elements);
	if (reply)
		freeReplyObject(reply);
	redisFree(redis);
	return wrong;
}

static bool turn_until_stream(unsigned count)
{
	ev_tstamp until = ev_time() + 40;
	while (*stream_is(count) && ev_time() < until)
		for (unsigned i = 0; i < 5; i++)
			ev_run(loop, EVRUN_ONCE);
	return !*stream_is(count);
}

static void turn_until_connected(bool connected)
{
	struct sense_ingest_outbox_stats stats;
	ev_tstamp until = ev_time() + 20;
	do {
		ev_run(loop, EVRUN_ONCE);
		sense_ingest_outbox_stats(outbox, &stats);
	} while (stats.connected != connected && ev_time() < until);
}

static void stop_redis(int signal_number)
{
	kill(stores.embedded.redis, signal_number);
	waitpid(stores.embedded.redis, NULL, 0);
	stores.embedded.redis = 0;
}

static bool start_redis(void)
{
	for (unsigned i = 0; i < 200 && !stores.embedded.redis; i++)
		sense_embedded_tend(&stores.embedded);
	return stores.embedded.redis > 0;
}

static void open_outbox(void)
{
	outbox =
	    sense_ingest_outbox_new(loop,
	                            &(struct sense_ingest_outbox_config){
					.db = db, .redis = stores.embedded.redis_path, .every_us = 10000},
	                            NULL);
}

static void fields(void)
{
	redisContext *redis = redisConnectUnix(stores.embedded.redis_path);
	redisReply *reply = redisCommand(redis, "XRANGE " SENSE_OUTBOX_STREAM " - + COUNT 1");
	char text[512] = "";

	for (unsigned i = 0; i < 12; i++)
		snprintf(text + strlen(text), sizeof(text) - strlen(text), "%s ",
		         reply->element[0]->element[1]->element[i]->str);
	is_str(reply->element[0]->element[0]->str, "1-0", "an entry's id is its place");
	is_str(text,
	       "org " ORG_A
	       " agent 00000000-0000-4000-9000-000000000001 first 1 last 1 first_us 1790000000000000 last_us "
	       "1790000001500000 ",
	       "and it says which findings it is about");
	freeReplyObject(reply);

	/* As consumers use it. */
	reply = redisCommand(redis, "XGROUP CREATE " SENSE_OUTBOX_STREAM " workers 0");
	freeReplyObject(reply);
	reply =
	    redisCommand(redis, "XREADGROUP GROUP workers one COUNT 10 STREAMS " SENSE_OUTBOX_STREAM " >");
	is_num(reply->element[0]->element[1]->elements, 10, "a consumer group reads it");
	freeReplyObject(reply);
	redisFree(redis);
}

static void redis_forgets(void)
{
	redisContext *redis = redisConnectUnix(stores.embedded.redis_path);
	redisReply *reply = redisCommand(redis, "DEL " SENSE_OUTBOX_STREAM);

	freeReplyObject(reply);
	redisFree(redis);
	stop_redis(SIGTERM);
	turn_until_connected(false);
	start_redis();
	ok(turn_until_stream(batches), "a Redis that has lost the stream gets all of it again");
}

/* A publisher that was killed after it had given places, or after it had sent. */
static void restarted(void)
{
	sense_ingest_outbox_free(outbox);
	store(ROUND);
	is_str(sql("SELECT count(*) FROM sense.outbox_next(%u, 300)", batches - ROUND), "300",
	       "places are given");
	open_outbox();
	ok(turn_until_stream(batches), "and used by the one that comes after");
}

int main(void)
{
	struct sense_ingest_outbox_stats stats;
	ev_timer tick;

	if (!ok(stores_start(true) && make_schema(1), "a database and a Redis"))
		return tap_done();
	loop = ev_loop_new(EVFLAG_AUTO);
	ev_timer_init(&tick, on_tick, 0.005, 0.005);
	ev_timer_start(loop, &tick);
	db = sense_db_new(loop, &(struct sense_db_config){stores.embedded.conninfo, 1, 5000000}, NULL);
	open_outbox();

	store(ROUND);
	ok(turn_until_stream(batches), "%u batches are entries, in order, once", batches);
	fields();

	for (unsigned i = 0; i < 3; i++) {
		store(ROUND);
		for (unsigned n = 0; n < 3 * i; n++)
			ev_run(loop, EVRUN_ONCE);
		stop_redis(i & 1 ? SIGTERM : SIGKILL);
		store(ROUND);
		turn_until_connected(false);
		start_redis();
		if (!ok(turn_until_stream(batches),
		        "Redis stopped and started: nothing is missing, nothing twice"))
			fprintf(stderr, "# %s\n", stream_is(batches));
	}
	stop_redis(SIGKILL);
	stores_kill_postgres(SIGKILL);
	ok(stores_start_again(), "both are killed and started");
	store(ROUND);
	if (!ok(turn_until_stream(batches), "all is there"))
		fprintf(stderr, "# %s\n", stream_is(batches));
	redis_forgets();
	restarted();
	do {
		ev_run(loop, EVRUN_ONCE);
		sense_ingest_outbox_stats(outbox, &stats);
	} while (stats.place < batches && stats.connected);
	is_num(stats.place, batches, "the last place is known");

	sql("UPDATE sense.outbox SET at = now() - interval '2 hours' WHERE place <= 100");
	is_str(sql("SELECT sense.outbox_forget(%u, '1 hour')", batches), "100",
	       "what was sent long ago is forgotten");
	sense_ingest_outbox_free(outbox);
	sense_db_free(db);
	ev_timer_stop(loop, &tick);
	ev_loop_destroy(loop);
	return tap_done();
}
