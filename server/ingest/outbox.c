#include "server/ingest/outbox.h"

#include <hiredis/async.h>
#include <hiredis/hiredis.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "core/base/log.h"

#include <hiredis/adapters/libev.h>

#define SUBSYSTEM "outbox"
#define LENGTH UINT64_C(1000000)
#define KEEP_S 3600u
#define EVERY_US UINT64_C(100000)
#define AT_MOST 500u
#define PAUSE_S 0.1
#define PAUSE_MAX_S 5.0
#define PATIENCE_S 10.0 /* for an answer of Redis */
#define FORGET_S 30.0

enum state {
	AWAY,    /* no Redis: a pause */
	LOOKING, /* connected; how far is the stream? */
	READY,
	ASKING, /* the database */
	ADDING  /* entries are on their way */
};

struct sense_ingest_outbox {
	struct ev_loop *loop;
	struct sense_ingest_outbox_config config;
	char *redis, *stream;
	redisAsyncContext *context;
	enum state state;
	unsigned attempts;
	unsigned adding; /* entries that were not answered yet */
	unsigned asking; /* statements that were not answered yet */
	bool failed;     /* one of them was refused: those behind it may not count */
	bool again;      /* there may be more */
	bool closing;
	uint64_t place;
	double last_forgotten, last_heard;
	ev_timer timer;
	struct sense_ingest_outbox_stats stats;
};

/* Parameters of an answer: what was asked for may come after `outbox` has gone. */
static void step(sense_ingest_outbox *outbox);

static void pause_for(sense_ingest_outbox *outbox, double after)
{
	ev_timer_stop(outbox->loop, &outbox->timer);
	ev_timer_set(&outbox->timer, after, 0.0);
	ev_timer_start(outbox->loop, &outbox->timer);
}

static void lose(sense_ingest_outbox *outbox, const char *why)
{
	unsigned shift = outbox->attempts < 6 ? outbox->attempts : 6;
	double pause = PAUSE_S * (double)(1u << shift);

	outbox->context = NULL;
	outbox->state = AWAY;
	outbox->adding = 0;
	outbox->stats.connected = false;
	outbox->stats.failures++;
	if (outbox->attempts++ == 2)
		sense_log(SENSE_LOG_WARN, SUBSYSTEM,
		          "Redis at %s cannot be reached (%s); findings are taken all the same",
		          outbox->redis, why);
	pause_for(outbox, (pause < PAUSE_MAX_S ? pause : PAUSE_MAX_S) *
	                      (0.5 + (double)arc4random_uniform(1024) / 1024.0));
}

static void hang_up(sense_ingest_outbox *outbox)
{
	redisAsyncContext *context = outbox->context;
	if (context) {
		outbox->context = NULL;
		context->data = NULL;
		redisAsyncFree(context); /* answers what is open, with nothing */
	}
}

/* ---- Redis -------------------------------------------------------------------------------------------------- */

static void on_added(redisAsyncContext *context, void *data, void *self)
{
	sense_ingest_outbox *outbox = context->data;
	const redisReply *reply = data;
	uint64_t place = (uint64_t)(uintptr_t)self;

	if (!outbox || !reply)
		return;
	outbox->last_heard = ev_now(outbox->loop);
	bool is_there = reply->type == REDIS_REPLY_ERROR && strstr(reply->str, "equal or smaller");
	if (reply->type == REDIS_REPLY_ERROR && !is_there) {
		if (!outbox->failed)
			sense_log(SENSE_LOG_WARN, SUBSYSTEM, "Redis refuses an entry: %s", reply->str);
		outbox->failed = true;
		outbox->stats.failures++;
	} else if (!outbox->failed) {
		outbox->place = place;
		outbox->stats.published += !is_there;
		outbox->stats.repeated += is_there;
	}
	if (--outbox->adding)
		return;
	/* After a refusal it is looked again how far the stream is: an entry behind the refused one may be in it. */
	outbox->state = outbox->failed ? AWAY : READY;
	if (outbox->failed) {
		hang_up(outbox);
		lose(outbox, "an entry was refused");
	} else {
		pause_for(outbox, outbox->again ? 0.0 : (double)outbox->config.every_us / 1e6);
	}
}

/* [[id, [field, value, ...]]] or an empty list. */
static void on_last(redisAsyncContext *context, void *data, void *self)
{
	sense_ingest_outbox *outbox = context->data;
	const redisReply *reply = data;

	(void)self;
	if (!outbox || !reply)
		return;
	outbox->last_heard = ev_now(outbox->loop);
	if (reply->type != REDIS_REPLY_ARRAY) {
		hang_up(outbox);
		lose(outbox, reply->type == REDIS_REPLY_ERROR ? reply->str : "it speaks another language");
		return;
	}
	outbox->place = 0;
	if (reply->elements && reply->element[0]->elements && reply->element[0]->element[0]->str)
		outbox->place = strtoull(reply->element[0]->element[0]->str, NULL, 10);
	if (outbox->attempts > 2)
		sense_log(SENSE_LOG_INFO, SUBSYSTEM, "Redis is there again");
	outbox->attempts = 0;
	outbox->stats.connected = true;
	outbox->state = READY;
	step(outbox);
}

static void on_disconnected(const redisAsyncContext *context, int status)
{
	sense_ingest_outbox *outbox = context->data;
	if (outbox)
		lose(outbox, status == REDIS_OK ? "it was closed" : context->errstr);
}

static void on_connected(const redisAsyncContext *context, int status)
{
	sense_ingest_outbox *outbox = context->data;

	if (!outbox)
		return;
	if (status != REDIS_OK) {
		lose(outbox, context->errstr); /* hiredis frees it */
		return;
	}
	outbox->state = LOOKING;
	redisAsyncCommand(outbox->context, on_last, NULL, "XREVRANGE %s + - COUNT 1", outbox->stream);
}

static void connect_redis(sense_ingest_outbox *outbox)
{
	char host[128];
	const char *colon = strrchr(outbox->redis, ':');

	if (outbox->redis[0] == '/') {
		outbox->context = redisAsyncConnectUnix(outbox->redis);
	} else {
		snprintf(host, sizeof(host), "%.*s", colon ? (int)(colon - outbox->redis) : 100,
		         outbox->redis);
		outbox->context = redisAsyncConnect(host, colon ? (int)strtol(colon + 1, NULL, 10) : 6379);
	}
	if (!outbox->context || outbox->context->err) {
		char why[128];
		snprintf(why, sizeof(why), "%.127s", outbox->context ? outbox->context->errstr : "no memory");
		hang_up(outbox);
		lose(outbox, why);
		return;
	}
	outbox->context->data = outbox;
	outbox->state = LOOKING;
	outbox->last_heard = ev_now(outbox->loop);
	redisLibevAttach(outbox->loop, outbox->context);
	redisAsyncSetConnectCallback(outbox->context, on_connected);
	redisAsyncSetDisconnectCallback(outbox->context, on_disconnected);
	pause_for(outbox, PATIENCE_S);
}

/* ---- the database ---------------------------------------------------------------------------------------------- */

static void add_entries(sense_ingest_outbox *outbox, const struct sense_db_result *result)
{
	char length[24], id[32];

	snprintf(length, sizeof(length), "%llu", (unsigned long long)outbox->config.length);
	outbox->state = ADDING;
	outbox->failed = false;
	outbox->adding = result->rows;
	outbox->again = result->rows == AT_MOST;
	for (unsigned row = 0; row < result->rows && outbox->context; row++) {
		uint64_t place = sense_db_uint(result, row, 0);
		snprintf(id, sizeof(id), "%llu-0", (unsigned long long)place);
		redisAsyncCommand(
		    outbox->context, on_added, (void *)(uintptr_t)place,
		    "XADD %s MAXLEN ~ %s %s org %s agent %s first %s last %s first_us %s last_us %s",
		    outbox->stream, length, id, sense_db_value(result, row, 1),
		    sense_db_value(result, row, 2), sense_db_value(result, row, 3),
		    sense_db_value(result, row, 4), sense_db_value(result, row, 5),
		    sense_db_value(result, row, 6));
	}
	pause_for(outbox, PATIENCE_S);
}

static bool is_last_answer(sense_ingest_outbox *outbox)
{
	outbox->asking--;
	if (outbox->closing && !outbox->asking)
		free(outbox);
	else if (!outbox->closing)
		return false;
	return true;
}

static void on_next(void *self, const struct sense_db_result *result)
{
	sense_ingest_outbox *outbox = self;

	if (is_last_answer(outbox) || outbox->state != ASKING)
		return; /* Redis went away meanwhile */
	outbox->state = READY;
	if (result->outcome == SENSE_DB_REFUSED)
		sense_log(SENSE_LOG_WARN, SUBSYSTEM, "the outbox cannot be read: %s", result->message);
	if (result->outcome == SENSE_DB_DONE && result->rows)
		add_entries(outbox, result);
	else
		pause_for(outbox, (double)outbox->config.every_us / 1e6);
}

static void on_forgotten(void *self, const struct sense_db_result *result)
{
	(void)result;
	is_last_answer(self);
}

static void ask(sense_ingest_outbox *outbox)
{
	static const struct sense_db_statement next = {"outbox_next",
	                                               "SELECT * FROM sense.outbox_next($1, $2)"};
	static const struct sense_db_statement forget = {
	    "outbox_forget", "SELECT sense.outbox_forget($1, make_interval(secs => $2))"};
	char place[24], most[16], keep[16];
	struct sense_db_param params[] = {SENSE_DB_TEXT(place), SENSE_DB_TEXT(most)};
	double now = ev_now(outbox->loop);

	snprintf(place, sizeof(place), "%llu", (unsigned long long)outbox->place);
	snprintf(most, sizeof(most), "%u", AT_MOST);
	snprintf(keep, sizeof(keep), "%u", outbox->config.keep_s);
	if (sense_db_ask(outbox->config.db, NULL, &next, params, 2, on_next, outbox)) {
		outbox->state = ASKING;
		outbox->asking++;
	} else {
		pause_for(outbox, (double)outbox->config.every_us / 1e6);
	}
	if (now - outbox->last_forgotten < FORGET_S)
		return;
	outbox->last_forgotten = now;
	params[1] = (struct sense_db_param)SENSE_DB_TEXT(keep);
	outbox->asking += sense_db_ask(outbox->config.db, NULL, &forget, params, 2, on_forgotten, outbox);
}

static void step(sense_ingest_outbox *outbox)
{
	switch (outbox->state) {
	case AWAY:
		connect_redis(outbox);
		break;
	case READY:
		ask(outbox);
		break;
	case LOOKING:
	case ADDING:
		if (ev_now(outbox->loop) - outbox->last_heard >= PATIENCE_S) {
			hang_up(outbox);
			lose(outbox, "it does not answer");
		} else {
			pause_for(outbox, PATIENCE_S);
		}
		break;
	case ASKING:
		break; /* the pool always answers */
	}
}

static void on_timer(struct ev_loop *loop, ev_timer *timer, int events)
{
	(void)loop, (void)events;
	step(timer->data);
}

sense_ingest_outbox *sense_ingest_outbox_new(struct ev_loop *loop,
                                             const struct sense_ingest_outbox_config *config,
                                             sense_error *err)
{
	sense_ingest_outbox *outbox = calloc(1, sizeof(*outbox));
	char *redis = strdup(config->redis),
	     *stream = strdup(config->stream ? config->stream : SENSE_OUTBOX_STREAM);

	if (!outbox || !redis || !stream) {
		free(outbox);
		free(redis);
		free(stream);
		sense_fail(err, SENSE_E_MEMORY, SUBSYSTEM, "no memory for the outbox");
		return NULL;
	}
	outbox->loop = loop;
	outbox->config = *config;
	outbox->redis = redis;
	outbox->stream = stream;
	outbox->config.length = config->length ? config->length : LENGTH;
	outbox->config.keep_s = config->keep_s ? config->keep_s : KEEP_S;
	outbox->config.every_us = config->every_us ? config->every_us : EVERY_US;
	ev_init(&outbox->timer, on_timer);
	outbox->timer.data = outbox;
	pause_for(outbox, 0.0);
	return outbox;
}

void sense_ingest_outbox_free(sense_ingest_outbox *outbox)
{
	if (!outbox)
		return;
	ev_timer_stop(outbox->loop, &outbox->timer);
	hang_up(outbox);
	free(outbox->redis);
	free(outbox->stream);
	outbox->closing = true;
	if (!outbox->asking)
		free(outbox); /* else with the last answer of the database */
}

void sense_ingest_outbox_stats(const sense_ingest_outbox *outbox, struct sense_ingest_outbox_stats *out)
{
	*out = outbox->stats;
	out->place = outbox->place;
}
