/* Time of a live capture: it goes on without packets, leaps, and is set back. */
#include "core/engine/engine.h"
#include "t/tap.h"

#define SECOND UINT64_C(1000000)
#define BEGIN (UINT64_C(1700000000) * SECOND)

static sense_engine *engine;
static unsigned left;
static uint64_t when; /* of the next packet; 0: there is none */
static uint16_t port;

static void on_flow(void *self, const struct sense_flowrecord *record)
{
	(void)self;
	(void)record;
	left++;
}

/* One UDP datagram from a port of its own. */
static enum sense_status one_read(void *capture, struct sense_packet *packets, unsigned max, unsigned *count,
                                  sense_error *err)
{
	static uint8_t frame[] = {0x45, 0, 0, 32, 0, 0, 0, 0, 64, 17, 0, 0, 10, 0, 0, 1, 8, 8,
	                          8,    8, 0, 0,  0, 9, 0, 12, 0, 0, 1,  2, 3, 4};
	(void)capture;
	(void)max;
	(void)err;
	*count = when != 0;
	frame[20] = (uint8_t)(port >> 8);
	frame[21] = (uint8_t)port;
	packets[0] = (struct sense_packet){
	    .data = frame, .ts_us = when, .caplen = sizeof frame, .len = sizeof frame, .link = 101};
	when = 0;
	return SENSE_OK;
}

static void packet(uint64_t ts_us)
{
	static const struct sense_capture_ops ops = {.size = sizeof ops, .read = one_read};
	when = ts_us;
	port++;
	sense_engine_run(engine, &ops, NULL, "test", NULL);
}

static unsigned live(void)
{
	return sense_engine_stats(engine)->flows_live;
}

int main(void)
{
	sense_error err;
	sense_ruleset *rules = sense_ruleset_new();
	sense_ruleset_compile(rules, &err);
	const struct sense_engine_config config = {.sink = {.flow = on_flow},
	                                           .rules = rules,
	                                           .max_flows = 1024,
	                                           .max_names = 16,
	                                           .idle_timeout_us = 60 * SECOND};
	engine = sense_engine_new(&config, &err);
	ok(engine, "an engine");
	packet(BEGIN);
	is_num(live(), 1, "a flow");
	sense_engine_clock(engine, BEGIN + 59 * SECOND);
	is_num(live(), 1, "time goes on without packets, and it stays");
	sense_engine_clock(engine, BEGIN + 58 * SECOND);
	is_num(sense_engine_stats(engine)->last_ts, BEGIN + 59 * SECOND, "a second back is not taken for news");
	sense_engine_clock(engine, BEGIN + 61 * SECOND);
	ok(!live() && left == 1, "a minute later it has ended");
	packet(BEGIN + 70 * SECOND);
	sense_engine_clock(engine, BEGIN + 86400 * SECOND);
	is_num(live(), 0, "a clock that leaps a day ahead ends what is there");
	sense_engine_clock(engine, BEGIN + 80 * SECOND);
	is_num(sense_engine_stats(engine)->last_ts, BEGIN + 80 * SECOND, "one that is set back is followed");
	packet(BEGIN + 81 * SECOND);
	is_num(live(), 1, "flows go on to be made");
	sense_engine_clock(engine, BEGIN + 100 * SECOND);
	is_num(live(), 1, "and to live");
	sense_engine_clock(engine, BEGIN + 200 * SECOND);
	is_num(live(), 0, "and to end in their time, not a day later");
	packet(BEGIN + 300 * SECOND);
	sense_engine_clock(engine, BEGIN - 86400 * SECOND);
	is_num(live(), 1, "a flow from what is the future by now stays");
	packet(BEGIN - 86400 * SECOND + 5 * SECOND);
	sense_engine_clock(engine, BEGIN - 86400 * SECOND + 100 * SECOND);
	ok(left >= 3, "and others are ended meanwhile");
	sense_engine_free(engine);
	sense_ruleset_free(rules);
	return tap_done();
}
