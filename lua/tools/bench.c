/* `bench`: what each rule costs on a capture, asked by itself in the engine that runs everywhere. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "core/show/json.h"
#include "lua/tools/tools.h"

#define PASSES_MIN 3
#define PASSES_MAX 50
#define RUN_NS UINT64_C(1000000000) /* about how long all passes take together */
#define BUCKETS 512                 /* 8 for each power of two: 6 % apart at the most */

/* Of one rule, over all passes that count. */
struct cost {
	uint64_t calls, ns, max, bytes;
	uint64_t findings, finding_ns;
	uint32_t *histogram; /* BUCKETS; made at the first call */
};

struct bench {
	const struct sense_conf *conf;
	const struct sense_cli *cli;
	struct sense_kit kit;
	struct sense_policy_sources sources;
	struct sense_script inner; /* the policies' own */
	struct cost *costs;        /* by rule number */
	uint64_t overhead;         /* of taking the time twice */
	bool counts;               /* this pass does */
	unsigned passes;
	uint64_t events; /* of one pass */
	uint64_t run_ns; /* of the fastest pass without measuring */
	uint64_t index_ns, index_calls;
};

static uint64_t now_ns(void)
{
	struct timespec ts;
	clock_gettime(CLOCK_MONOTONIC, &ts);
	return (uint64_t)ts.tv_sec * 1000000000u + (uint64_t)ts.tv_nsec;
}

/* The least that a measurement of nothing shows; what is more is somebody else's. */
static uint64_t overhead_measure(void)
{
	uint64_t least = UINT64_MAX;
	for (unsigned i = 0; i < 10000; i++) {
		uint64_t from = now_ns(), took = now_ns() - from;
		least = took < least ? took : least;
	}
	return least;
}

static uint64_t took(const struct bench *bench, uint64_t from)
{
	uint64_t ns = now_ns() - from;
	return ns > bench->overhead ? ns - bench->overhead : 0;
}

/* ---- distribution ---- */

static unsigned bucket_of(uint64_t ns)
{
	if (ns < 8)
		return (unsigned)ns;
	unsigned high = 63 - (unsigned)__builtin_clzll(ns);
	return (high - 2) * 8 + (unsigned)(ns >> (high - 3) & 7);
}

/* The middle of what falls into the bucket. */
static uint64_t bucket_middle(unsigned bucket)
{
	if (bucket < 16)
		return bucket;
	unsigned high = bucket / 8 + 2;
	uint64_t width = UINT64_C(1) << (high - 3);
	return (UINT64_C(1) << high) + bucket % 8 * width + width / 2;
}

static uint64_t percentile(const struct cost *cost, unsigned percent)
{
	uint64_t below = 0, wanted = (cost->calls * percent + 99) / 100;
	for (unsigned i = 0; cost->histogram && i < BUCKETS; i++) {
		below += cost->histogram[i];
		if (below >= wanted && below)
			return bucket_middle(i);
	}
	return 0;
}

/* ---- the script in between ---- */

static uint64_t allocated(const struct bench *bench)
{
	struct sense_lua_stats stats;
	sense_lua_stats(bench->kit.station.lua, &stats);
	return stats.allocated;
}

static bool when_one(struct bench *bench, const struct sense_script_ask *ask, unsigned i)
{
	struct cost *cost = &bench->costs[ask->numbers[i]];
	struct sense_script_ask one = *ask;
	one.numbers = &ask->numbers[i];
	one.count = 1;
	uint64_t bytes = allocated(bench), from = now_ns();
	bool holds = bench->inner.when(bench->inner.self, &one) & 1;
	uint64_t ns = took(bench, from);
	if (!bench->counts)
		return holds;
	if (!cost->histogram)
		cost->histogram = calloc(BUCKETS, sizeof *cost->histogram);
	if (cost->histogram)
		cost->histogram[bucket_of(ns)]++;
	cost->calls++;
	cost->ns += ns;
	cost->max = ns > cost->max ? ns : cost->max;
	cost->bytes += allocated(bench) - bytes;
	return holds;
}

static uint32_t when(void *self, const struct sense_script_ask *ask)
{
	uint32_t holds = 0;
	for (unsigned i = 0; i < ask->count; i++)
		holds |= (uint32_t)when_one(self, ask, i) << i;
	return holds;
}

static enum sense_status finding(void *self, const struct sense_rule *rule, const struct sense_event *event,
                                 struct sense_arena *arena, struct sense_finding *out, sense_error *err)
{
	struct bench *bench = self;
	uint64_t from = now_ns();
	enum sense_status status = bench->inner.finding(bench->inner.self, rule, event, arena, out, err);
	uint64_t ns = took(bench, from);
	if (bench->counts) {
		bench->costs[rule->number].findings++;
		bench->costs[rule->number].finding_ns += ns;
	}
	return status;
}

/* Matched here once more, and first: as in a run without us, nothing was looked up for this event yet. */
static void on_event(void *self, const struct sense_event *event)
{
	struct bench *bench = self;
	const uint32_t *numbers;
	uint64_t from = now_ns();
	sense_ruleset_match(bench->kit.station.rules, event, &numbers);
	uint64_t ns = took(bench, from);
	if (bench->counts) {
		bench->index_ns += ns;
		bench->index_calls++;
	}
}

/* ---- passes ---- */

static enum sense_status pass(struct bench *bench, bool measured, uint64_t *ns, sense_error *err)
{
	struct sense_engine_config how = {.sink.self = bench};
	if (measured) {
		how.sink.event = on_event;
		how.script = (struct sense_script){.self = bench, .when = when, .finding = finding};
	}
	enum sense_status status = sense_kit_engine(&bench->kit, &how, err);
	uint64_t from = now_ns();
	for (unsigned i = 0; i < bench->cli->capture_count && !status; i++)
		status = sense_kit_capture(&bench->kit, bench->cli->captures[i], err);
	if (!status)
		sense_engine_finish(bench->kit.station.engine);
	*ns = now_ns() - from;
	return status;
}

static enum sense_status passes(struct bench *bench, sense_error *err)
{
	uint64_t ns, begun = now_ns();
	enum sense_status status = pass(bench, true, &ns, err); /* compiles what is worth compiling */
	bench->run_ns = UINT64_MAX;
	while (!status && bench->passes < PASSES_MAX &&
	       (bench->passes < PASSES_MIN || now_ns() - begun < RUN_NS)) {
		status = pass(bench, false, &ns, err);
		if (status)
			return status;
		bench->run_ns = ns < bench->run_ns ? ns : bench->run_ns;
		bench->counts = true;
		status = pass(bench, true, &ns, err);
		bench->counts = false;
		bench->passes++;
	}
	if (!status)
		bench->events = sense_engine_stats(bench->kit.station.engine)->events;
	return status;
}

/* ---- what comes out ---- */

/* A row of the table, in numbers. */
struct row {
	const char *rule;
	uint64_t calls, held, p50, p99, max, findings;
	double mean, finding_mean, bytes, share;
};

static double ratio(double a, double b)
{
	return b > 0 ? a / b : 0;
}

static struct row row_of(const struct bench *bench, unsigned number)
{
	const struct cost *cost = &bench->costs[number];
	double whole = (double)bench->run_ns * bench->passes;
	return (struct row){
	    .rule = sense_ruleset_get(bench->kit.station.rules, number)->id,
	    .calls = cost->calls / bench->passes,
	    .held = sense_engine_rule_stats(bench->kit.station.engine, number)->held,
	    .p50 = percentile(cost, 50),
	    .p99 = percentile(cost, 99),
	    .max = cost->max,
	    .findings = cost->findings / bench->passes,
	    .mean = ratio((double)cost->ns, (double)cost->calls),
	    .finding_mean = ratio((double)cost->finding_ns, (double)cost->findings),
	    .bytes = ratio((double)cost->bytes, (double)cost->calls),
	    .share = ratio((double)(cost->ns + cost->finding_ns), whole),
	};
}

static int dearest_first(const void *a, const void *b)
{
	const struct row *one = a, *other = b;
	return (one->share < other->share) - (one->share > other->share);
}

static void text_print(const struct bench *bench, const struct row *rows, unsigned count, double index,
                       double script)
{
	double run = ratio((double)bench->run_ns, (double)bench->events);
	int wide = 4;
	for (unsigned i = 0; i < count; i++)
		wide = (int)strlen(rows[i].rule) > wide ? (int)strlen(rows[i].rule) : wide;
	printf("%-*s  %8s %8s %8s %8s %8s %8s %8s %10s %8s %7s\n", wide, "RULE", "CALLS", "HELD", "NS/CALL",
	       "P50", "P99", "MAX", "B/CALL", "FINDINGS", "NS EACH", "SHARE");
	for (unsigned i = 0; i < count; i++) {
		const struct row *r = &rows[i];
		printf("%-*s  %8llu %8llu", wide, r->rule, (unsigned long long)r->calls,
		       (unsigned long long)r->held);
		if (r->calls)
			printf(" %8.0f %8llu %8llu %8llu %8.0f", r->mean, (unsigned long long)r->p50,
			       (unsigned long long)r->p99, (unsigned long long)r->max, r->bytes);
		else
			printf(" %8s %8s %8s %8s %8s", "-", "-", "-", "-", "-");
		printf(" %10llu %8.0f %6.2f%%\n", (unsigned long long)r->findings, r->finding_mean,
		       100 * r->share);
	}
	unsigned quiet = sense_ruleset_count(bench->kit.station.rules) - count;
	putchar('\n');
	if (quiet)
		printf("%u rule%s ran no function here: the match index decided alone\n", quiet,
		       quiet == 1 ? "" : "s");
	printf("%llu events, %u passes; an event costs %.0f ns in all\n", (unsigned long long)bench->events,
	       bench->passes, run);
	printf("match index %.0f ns an event, %.2f%% of the run; scripts %.0f ns, %.2f%%\n", index,
	       100 * ratio(index, run), script, 100 * ratio(script, run));
}

static void json_row(struct sense_json *json, const struct row *row)
{
	sense_json_open(json, '{');
	sense_json_member(json, "rule", row->rule);
	sense_json_member_number(json, "calls", (double)row->calls);
	sense_json_member_number(json, "held", (double)row->held);
	sense_json_member_number(json, "ns_per_call", row->mean);
	sense_json_member_number(json, "ns_p50", (double)row->p50);
	sense_json_member_number(json, "ns_p99", (double)row->p99);
	sense_json_member_number(json, "ns_max", (double)row->max);
	sense_json_member_number(json, "bytes_per_call", row->bytes);
	sense_json_member_number(json, "findings", (double)row->findings);
	sense_json_member_number(json, "ns_per_finding", row->finding_mean);
	sense_json_member_number(json, "share", row->share);
	sense_json_close(json, '}');
}

static void json_print(const struct bench *bench, const struct row *rows, unsigned count, double index,
                       double script)
{
	struct sense_buf out;
	struct sense_json json = {.out = &out};
	double run = ratio((double)bench->run_ns, (double)bench->events);
	sense_buf_init(&out, 0);
	sense_json_open(&json, '{');
	sense_json_member_number(&json, "events", (double)bench->events);
	sense_json_member_number(&json, "passes", bench->passes);
	sense_json_member_number(&json, "ns_per_event", run);
	sense_json_member_number(&json, "index_ns_per_event", index);
	sense_json_member_number(&json, "script_ns_per_event", script);
	sense_json_member_number(&json, "index_share", ratio(index, run));
	sense_json_member_number(&json, "script_share", ratio(script, run));
	sense_json_key(&json, "rules");
	sense_json_open(&json, '[');
	for (unsigned i = 0; i < count; i++)
		json_row(&json, &rows[i]);
	sense_json_close(&json, ']');
	sense_json_close(&json, '}');
	puts(sense_buf_str(&out));
	sense_buf_fini(&out);
}

static int results_print(const struct bench *bench)
{
	unsigned rules = sense_ruleset_count(bench->kit.station.rules), count = 0;
	struct row *rows = calloc(rules + 1u, sizeof *rows);
	double scripts = 0, index = ratio((double)bench->index_ns, (double)bench->index_calls);
	if (!rows)
		return SENSE_EXIT_FAILED;
	for (unsigned i = 0; i < rules; i++) {
		scripts += (double)(bench->costs[i].ns + bench->costs[i].finding_ns);
		if (bench->costs[i].calls || bench->costs[i].findings)
			rows[count++] = row_of(bench, i);
	}
	qsort(rows, count, sizeof *rows, dearest_first);
	(bench->cli->json ? json_print : text_print)(bench, rows, count, index,
	                                             ratio(scripts, (double)bench->events * bench->passes));
	free(rows);
	return SENSE_EXIT_OK;
}

/* ---- the command ---- */

static int body(void *context, union sense_mark *mark, int out)
{
	sense_error err;
	struct bench *bench = context;
	const struct sense_cli *cli = bench->cli;
	(void)out;
	bench->kit.station.conf = bench->conf;
	sense_policy_sources_init(&bench->sources);
	int code = SENSE_EXIT_FAILED;
	if (!sense_kit_open(&bench->kit, cli->paths, cli->path_count, &bench->sources, mark))
		goto out;
	bench->costs = calloc(sense_ruleset_count(bench->kit.station.rules) + 1u, sizeof *bench->costs);
	bench->inner = sense_lua_script(bench->kit.station.lua);
	bench->overhead = overhead_measure();
	if (!bench->costs || sense_station_plugins(&bench->kit.station, &err) || passes(bench, &err)) {
		sense_tool_fail(&err);
		goto out;
	}
	code = results_print(bench);
out:
	for (unsigned i = 0; bench->costs && i < sense_ruleset_count(bench->kit.station.rules); i++)
		free(bench->costs[i].histogram);
	free(bench->costs);
	sense_kit_close(&bench->kit);
	sense_policy_sources_fini(&bench->sources);
	return code;
}

int sense_tool_bench(const struct sense_conf *conf, const struct sense_cli *cli)
{
	struct bench bench = {.conf = conf, .cli = cli};
	struct sense_guard guard = {.conf = conf, .body = body, .context = &bench};
	return sense_tool_guarded(&guard, cli->paths, cli->path_count);
}
