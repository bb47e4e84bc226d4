/*
 * What an event costs by the number of rules loaded, 10 of which match it. The rules are of every
 * shape that policies have: names, ports, paths, networks, and thresholds that are not reached.
 */
#include <math.h>
#include <stdio.h>
#include <time.h>

#include "core/rules/rule.h"
#include "t/world.h"

#define EVENTS 2000
#define RUNS 300 /* the best counts: other work on the machine only ever adds */

static double now_ns(void)
{
	struct timespec ts;
	clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &ts);
	return (double)ts.tv_sec * 1e9 + (double)ts.tv_nsec;
}

static unsigned add(sense_ruleset *set, const struct sense_condition *conditions, unsigned count)
{
	char id[24];
	snprintf(id, sizeof(id), "rule.%u", sense_ruleset_count(set));
	struct sense_rule rule = {
	    .id = id, .events = SENSE_ANY_EVENT, .conditions = conditions, .condition_count = count};
	return sense_ruleset_add(set, &rule, NULL) ? 0 : 1;
}

/* A rule that does not match: number i of the kinds that policies are made of. */
static unsigned add_other(sense_ruleset *set, unsigned i)
{
	char text[64];
	const char *string = text, *chat = "chat";
	double number = 1000 + i;
	struct sense_cidr cidr = {world_ip4(20, i >> 8 & 255, i & 255, 0), 120};
	struct sense_condition one = {
	    .op = SENSE_OP_IN, .count = 1, .strings = &string, .numbers = &number, .cidrs = &cidr};
	struct sense_condition both[2] = {
	    {.field = SENSE_FIELD_SERVICE_CATEGORY, .op = SENSE_OP_IN, .count = 1, .strings = &chat},
	    {.field = SENSE_FIELD_BYTES_UP, .op = SENSE_OP_RANGE, .min = 1e6 + i, .max = INFINITY}};

	snprintf(text, sizeof(text), "name-%u.example", i);
	switch (i % 8) {
	case 0:
		one.field = SENSE_FIELD_SERVICE_ID;
		break;
	case 1:
		one.field = SENSE_FIELD_HOST;
		one.op = SENSE_OP_SUFFIX;
		break;
	case 2:
		one.field = SENSE_FIELD_DST_PORT;
		break;
	case 3:
		one.field = SENSE_FIELD_HTTP_PATH;
		one.op = SENSE_OP_PREFIX;
		break;
	case 4:
		one.field = SENSE_FIELD_DST_IP;
		one.op = SENSE_OP_CIDR;
		break;
	case 5:
		return add(set, both, 2);
	case 6:
		return add(set, both + 1, 1);
	default:
		one.field = SENSE_FIELD_USER_AGENT;
		break;
	}
	return add(set, &one, 1);
}

static unsigned add_match(sense_ruleset *set, unsigned i)
{
	static const char *const category[] = {"api", "chat"}, *const id[] = {"claude"},
				 *const host[] = {"claude.ai"};
	static const double port[] = {443};
	static const struct sense_condition all[5][2] = {
	    {{.field = SENSE_FIELD_SERVICE_CATEGORY, .op = SENSE_OP_IN, .count = 2, .strings = category},
	     {.field = SENSE_FIELD_SERVICE_CONCLUSIVE, .op = SENSE_OP_IN, .boolean = true}},
	    {{.field = SENSE_FIELD_SERVICE_ID, .op = SENSE_OP_IN, .count = 1, .strings = id},
	     {.field = SENSE_FIELD_BYTES_UP, .op = SENSE_OP_RANGE, .min = 10, .max = INFINITY}},
	    {{.field = SENSE_FIELD_HOST, .op = SENSE_OP_SUFFIX, .count = 1, .strings = host},
	     {.field = SENSE_FIELD_DST_PORT, .op = SENSE_OP_IN, .count = 1, .numbers = port}},
	    {{.field = SENSE_FIELD_SERVICE_CATEGORY, .op = SENSE_OP_IN, .count = 2, .strings = category},
	     {.field = SENSE_FIELD_DST_PORT, .op = SENSE_OP_IN, .count = 1, .numbers = port}},
	    {{.field = SENSE_FIELD_BYTES_DOWN, .op = SENSE_OP_RANGE, .min = 1000, .max = INFINITY},
	     {.field = SENSE_FIELD_QUIC, .op = SENSE_OP_IN, .boolean = false}}};
	return add(set, all[i % 5], 2);
}

/* Nanoseconds an event; the best of many runs. */
static double time_event(const sense_ruleset *set, const struct sense_event *event, uint64_t *hits)
{
	const uint32_t *numbers;
	double best = INFINITY;
	for (unsigned run = 0; run < RUNS; run++) {
		*hits = 0;
		double start = now_ns();
		for (unsigned i = 0; i < EVENTS; i++)
			*hits += sense_ruleset_match(set, event, &numbers);
		best = fmin(best, (now_ns() - start) / EVENTS);
	}
	return best;
}

static void measure(unsigned rules, double *first)
{
	sense_ruleset *set = sense_ruleset_new();
	struct world w;
	uint64_t hits, misses;

	world_init(&w);
	for (unsigned i = 0; i < rules; i++)
		if (!(i % (rules / 10) ? add_other(set, i) : add_match(set, i / (rules / 10))))
			exit(1);
	double start = now_ns();
	if (sense_ruleset_compile(set, NULL))
		exit(1);
	double compile = now_ns() - start;
	double matched = time_event(set, &w.event, &hits);
	/* What most of the traffic is: a name that no rule is about. */
	world_str(&w.meta.host, "cdn.static.example.org");
	w.event.host_row = NULL;
	w.flow.key.port_b = 8443;
	w.flow.bytes[1] = 500;
	double other = time_event(set, &w.event, &misses);
	printf("%6u rules: %6.1f ns/event with %2.0f hits, %6.1f ns with %.0f", rules, matched,
	       (double)hits / EVENTS, other, (double)misses / EVENTS);
	if (rules == 200) {
		first[0] = matched;
		first[1] = other;
	}
	if (rules >= 200)
		printf("; %.2f and %.2f of 200 rules", matched / first[0], other / first[1]);
	printf("; compiled in %.1f ms\n", compile / 1e6);
	world_fini(&w);
	sense_ruleset_free(set);
}

int main(void)
{
	static const unsigned sizes[] = {0, 200, 2000, 10000};
	double first[2];

	for (unsigned i = 0; i < sizeof(sizes) / sizeof(*sizes); i++)
		measure(sizes[i], first);
	return 0;
}
