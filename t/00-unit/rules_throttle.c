#include <stdlib.h>

#include "core/rules/throttle.h"
#include "t/tap.h"
#include "t/world.h"

#define SECOND UINT64_C(1000000)

static struct world w;
static struct sense_rule rule = {.id = "a.rule",
				 .throttle_by = {SENSE_FIELD_SRC_IP, SENSE_FIELD_SERVICE_ID},
				 .throttle_by_count = 2,
				 .throttle_us = 600 * SECOND};

static bool pass_at(struct sense_throttle *throttle, uint64_t seconds, uint64_t *held)
{
	w.event.ts_us = UINT64_C(1700000000000000) + seconds * SECOND;
	return sense_throttle_pass(throttle, &rule, &w.event, held);
}

static void windows(struct sense_throttle *throttle)
{
	uint64_t held;
	ok(pass_at(throttle, 0, &held) && !held, "the first goes out");
	ok(!pass_at(throttle, 1, &held) && !pass_at(throttle, 599, &held), "others in the window do not");
	ok(pass_at(throttle, 600, &held), "the window ends");
	is_num(held, 2, "and two are told to have been held back");
	ok(!pass_at(throttle, 590, &held), "a packet out of order begins no window");
	ok(pass_at(throttle, 1201, &held) && held == 1, "it was counted");
	w.event.ts_us = 1000 * SECOND;
	ok(sense_throttle_pass(throttle, &rule, &w.event, &held), "a clock that leaps back begins a new one");
}

static void keys(struct sense_throttle *throttle)
{
	uint64_t held;
	pass_at(throttle, 5000, &held);
	w.service.id = "chatgpt";
	ok(pass_at(throttle, 5001, &held), "another service is another key");
	w.flow.key.a.bytes[15] ^= 1;
	ok(pass_at(throttle, 5002, &held), "another source is another key");
	w.event.host_row = NULL;
	ok(pass_at(throttle, 5003, &held), "no service at all is another key");
	ok(!pass_at(throttle, 5004, &held), "which throttles too");
	rule.id = "b.rule";
	ok(pass_at(throttle, 5005, &held), "another rule is another key");
	w.flow.bytes[0]++;
	ok(!pass_at(throttle, 5006, &held), "a field that is not named does not count");
	rule.throttle_us = 0;
	ok(pass_at(throttle, 5007, &held) && pass_at(throttle, 5007, &held), "no throttle, no limit");
	rule.throttle_us = 600 * SECOND;
}

static void restart(void *memory, size_t bytes)
{
	struct sense_throttle again;
	uint64_t held;
	is_num(sense_throttle_attach(&again, memory, bytes, NULL), SENSE_OK, "a new worker attaches");
	ok(!pass_at(&again, 5100, &held), "and goes on where the last one stopped");
	struct sense_throttle_stats stats;
	sense_throttle_stats(&again, &stats);
	ok(stats.suppressed >= 5 && !stats.replaced, "so do the counters");
}

static void crowd(void *memory)
{
	struct sense_throttle small;
	struct sense_throttle_stats stats;
	uint64_t held;
	unsigned out = 0;

	is_num(sense_throttle_attach(&small, memory, sense_throttle_bytes(16), NULL), SENSE_OK,
	       "another size of table is cleared");
	for (unsigned i = 0; i < 1000; i++) {
		w.flow.key.a = world_ip4(10, 0, i >> 8, i & 255);
		out += pass_at(&small, 6000 + i / 100, &held);
		pass_at(&small, 6000 + i / 100, &held);
	}
	sense_throttle_stats(&small, &stats);
	is_num(out, 1000, "1000 keys in room for 16 all go out");
	is_num(stats.replaced, 1000 - 16, "those that made room are counted");
	is_num(stats.lost, 1000 - 16, "and what had been held back under them");
	ok(!pass_at(&small, 6010, &held), "the latest key is still there");
}

/* What a worker gone wrong may leave behind. */
static void garbage(uint8_t *memory, size_t bytes)
{
	struct sense_throttle throttle;
	uint64_t held, state = 1;
	unsigned out = 0;

	sense_throttle_attach(&throttle, memory, bytes, NULL);
	for (size_t i = 8; i < bytes; i++) {
		state = state * UINT64_C(6364136223846793005) + 1442695040888963407u;
		memory[i] = (uint8_t)(state >> 56);
	}
	for (unsigned i = 0; i < 1000; i++) {
		w.flow.key.a = world_ip4(10, 1, i >> 8, i & 255);
		out += pass_at(&throttle, i, &held);
	}
	is_num(out, 1000, "garbage in the table holds nothing back that it does not know");
	is_num(sense_throttle_attach(&throttle, memory, bytes, NULL), SENSE_OK,
	       "it is cleared by the next worker");
	struct sense_throttle_stats stats;
	sense_throttle_stats(&throttle, &stats);
	ok(!stats.suppressed && !stats.replaced, "with its counters");
}

int main(void)
{
	size_t bytes = sense_throttle_bytes(1000);
	uint8_t *memory = aligned_alloc(64, bytes);
	struct sense_throttle throttle;

	world_init(&w);
	memset(memory, 0xa5, bytes);
	is_num(sense_throttle_attach(&throttle, memory, bytes, NULL), SENSE_OK,
	       "attached to memory of any content");
	ok(sense_throttle_attach(&throttle, memory, 64, NULL) == SENSE_E_LIMIT,
	   "too little memory is refused");
	sense_throttle_attach(&throttle, memory, bytes, NULL);
	windows(&throttle);
	keys(&throttle);
	restart(memory, bytes);
	crowd(memory);
	garbage(memory, bytes);
	world_fini(&w);
	free(memory);
	return tap_done();
}
