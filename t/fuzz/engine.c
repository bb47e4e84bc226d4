/*
 * The whole engine with the shipped catalogue and policies, all but nDPI: frames in, findings out.
 *
 * The first byte chooses how packets come: bit 0 as a capture file (the rest is one), else as frames
 * behind five bytes each: time since the one before (u16, 8 ms), length (u16), bytes cut off (u8). Bit 1
 * runs the input twice, as two files of a replay. Whatever comes out must be fit to be sent.
 */
#include <sys/mman.h>

#include "core/engine/engine.h"
#include "core/plugin/loader.h"
#include "lua/policy.h"

#include "plugins/pcap/classic.c"
#include "plugins/pcap/pcap.c"
#include "plugins/pcap/pcapng.c"
#include "plugins/pcap/source.c"

#define THROTTLE_KEYS 64
#define ACTIVITIES 16 /* few, so that some are forgotten */
#define CLASS_PACKETS 3

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);
int LLVMFuzzerInitialize(int *argc, char ***argv);
const char *__lsan_default_suppressions(void);

static sense_catalogue *catalogue;
static sense_ruleset *rules;
static sense_lua *lua;
static _Alignas(64) uint8_t throttle_memory[1 << 20];
static _Alignas(64) uint8_t activity_memory[1 << 16];

static void check(bool good)
{
	if (!good)
		abort();
}

/* ---- frames from the input ----------------------------------------------------------------------- */

struct frames {
	const uint8_t *at, *end;
	uint64_t ts_us;
	uint8_t *held[8]; /* each frame in a block of its own, so that a read past it is seen */
};

static void frames_drop(struct frames *frames)
{
	for (unsigned i = 0; i < 8; i++) {
		free(frames->held[i]);
		frames->held[i] = NULL;
	}
}

static enum sense_status frames_read(void *capture, struct sense_packet *packets, unsigned max,
                                     unsigned *count, sense_error *err)
{
	struct frames *frames = capture;
	(void)err;
	frames_drop(frames);
	for (*count = 0; *count < max && *count < 8 && frames->end - frames->at > 5; ++*count) {
		const uint8_t *head = frames->at;
		size_t left = (size_t)(frames->end - head) - 5, len = (size_t)head[2] << 8 | head[3];
		len = len < left ? len : left;
		frames->ts_us += ((uint64_t)head[0] << 8 | head[1]) * 8000;
		uint8_t *copy = malloc(len + !len);
		check(copy);
		memcpy(copy, head + 5, len);
		frames->held[*count] = copy;
		packets[*count] = (struct sense_packet){.data = copy,
		                                        .ts_us = frames->ts_us,
		                                        .caplen = (uint32_t)len,
		                                        .len = (uint32_t)len + head[4] * 64u,
		                                        .link = 1};
		frames->at += 5 + len;
	}
	return SENSE_OK;
}

static const struct sense_capture_ops frames_ops = {.size = sizeof frames_ops, .read = frames_read};

/* ---- a classifier whose answer comes late, for its flows' states --------------------------------- */

static enum sense_status class_new(const struct sense_host *host, void **module, sense_error *err)
{
	(void)host;
	(void)err;
	*module = malloc(1);
	return SENSE_OK;
}

static void *class_flow_new(void *module)
{
	(void)module;
	return calloc(1, 1);
}

static enum sense_class_state class_packet(void *module, void *flow, const struct sense_ip_packet *packet,
                                           struct sense_class *out)
{
	uint8_t *seen = flow;
	(void)module;
	check(packet->len && packet->ip[packet->len - 1] <= 255);
	out->app = 91;
	return ++*seen < CLASS_PACKETS ? SENSE_CLASS_MORE : SENSE_CLASS_DONE;
}

static void class_finish(void *module, void *flow, struct sense_class *out)
{
	(void)module;
	check(*(uint8_t *)flow < CLASS_PACKETS);
	*out = (struct sense_class){.app = 7, .guessed = 1};
}

static void class_flow_free(void *module, void *flow)
{
	(void)module;
	free(flow);
}

static const char *class_name(void *module, uint16_t protocol)
{
	(void)module;
	return protocol == 91 ? "TLS" : "HTTP";
}

static const struct sense_classifier_ops classifier = {.size = sizeof classifier,
                                                       .module_new = class_new,
                                                       .module_free = free,
                                                       .flow_new = class_flow_new,
                                                       .packet = class_packet,
                                                       .finish = class_finish,
                                                       .flow_free = class_flow_free,
                                                       .protocol_name = class_name};

/* ---- what comes out ------------------------------------------------------------------------------ */

static void on_finding(void *self, const struct sense_finding *finding)
{
	static uint8_t wire[SENSE_FINDING_BYTES_MAX];
	static char storage[SENSE_FINDING_BYTES_MAX];
	struct sense_finding back;
	const char *why;
	size_t len = sense_finding_encode(finding, wire, sizeof wire);
	(void)self;
	check(len && sense_finding_decode(wire, len, storage, sizeof storage, &back, &why));
}

static void on_flow(void *self, const struct sense_flowrecord *record)
{
	static uint8_t wire[SENSE_FLOWRECORD_BYTES_MAX];
	static char storage[SENSE_FLOWRECORD_BYTES_MAX];
	struct sense_flowrecord back;
	const char *why;
	size_t len = sense_flowrecord_encode(record, wire, sizeof wire);
	(void)self;
	check(len && sense_flowrecord_decode(wire, len, storage, sizeof storage, &back, &why));
}

/* A shipped rule must stand any event. */
static void on_script_error(void *self, const struct sense_rule *rule, const sense_error *err)
{
	(void)self;
	fprintf(stderr, "rule %s: %s\n", rule->id, err->message);
	abort();
}

/* The one Lua state lives on, and its tagged pointers are none that a leak checker knows. */
const char *__lsan_default_suppressions(void)
{
	return "leak:libluajit";
}

/* ---- the run ------------------------------------------------------------------------------------- */

static void run_file(sense_engine *engine, const uint8_t *data, size_t size)
{
	sense_error err;
	void *capture;
	int fd = memfd_create("fuzz", 0);
	check(fd >= 0 && write(fd, data, size) == (ssize_t)size);
	if (ops.open(sense_plugin_host(), "fuzz", fd, 0, &capture, &err)) {
		close(fd);
		return;
	}
	if (sense_engine_run(engine, &ops, capture, "fuzz", &err))
		check(err.message[0]);
	ops.close(capture);
}

static void run_frames(sense_engine *engine, const uint8_t *data, size_t size)
{
	sense_error err;
	struct frames frames = {.at = data, .end = data + size, .ts_us = 1700000000000000};
	check(!sense_engine_run(engine, &frames_ops, &frames, "fuzz", &err));
	frames_drop(&frames);
}

/* What Lua keeps from run to run looks like a leak of each: one check at the end tells as much. */
static void leaks_at_exit(int *argc, char ***argv)
{
	static char flag[] = "-detect_leaks=0", **more;
	more = calloc((size_t)*argc + 2, sizeof *more);
	check(more);
	memcpy(more, *argv, (size_t)*argc * sizeof *more);
	more[(*argc)++] = flag;
	*argv = more;
}

int LLVMFuzzerInitialize(int *argc, char ***argv)
{
	sense_error err;
	struct sense_report report;
	struct sense_policy_sources sources;
	struct sense_lua_limits limits = {.soft_us = 2000000, .load_us = 10000000};
	leaks_at_exit(argc, argv);
	sense_report_init(&report);
	sense_policy_sources_init(&sources);
	catalogue = sense_catalogue_load("policies/catalogue", &err);
	rules = sense_ruleset_new();
	lua = sense_lua_new(&limits, &err);
	if (!catalogue || !rules || !lua || sense_policy_read(&sources, "policies", &err) ||
	    sense_policy_load(lua, &sources, rules, &report, &err) || sense_ruleset_compile(rules, &err)) {
		fprintf(stderr, "run from the top of the repository: %s\n", err.message);
		exit(1);
	}
	check(sense_ruleset_count(rules) && sense_throttle_bytes(THROTTLE_KEYS) <= sizeof throttle_memory);
	check(sense_activities_bytes(ACTIVITIES) <= sizeof activity_memory);
	sense_policy_sources_fini(&sources);
	sense_report_fini(&report);
	return 0;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	sense_error err;
	struct sense_throttle throttle;
	struct sense_activities activities;
	if (size < 2)
		return 0;
	memset(activity_memory, 0, sizeof activity_memory);
	check(!sense_activities_attach(&activities, activity_memory, sense_activities_bytes(ACTIVITIES),
	                               60000000, &err));
	memset(throttle_memory, 0, sense_throttle_bytes(THROTTLE_KEYS));
	check(!sense_throttle_attach(&throttle, throttle_memory, sense_throttle_bytes(THROTTLE_KEYS), &err));
	struct sense_engine_config config = {
	    .classifier = &classifier,
	    .catalogue = catalogue,
	    .rules = rules,
	    .script = sense_lua_script(lua),
	    .throttle = &throttle,
	    .activities = &activities,
	    .sink = {.finding = on_finding, .flow = on_flow, .script_error = on_script_error},
	    .max_flows = 16, /* few, so that some are evicted */
	    .max_names = 16,
	    .idle_timeout_us = 60000000,
	    .update_every_us = 5000000,
	    .update_every_kib = 4,
	};
	sense_engine *engine = sense_engine_new(&config, &err);
	check(engine);
	for (unsigned i = 0; i < (data[0] & 2 ? 2 : 1); i++)
		(data[0] & 1 ? run_file : run_frames)(engine, data + 1, size - 1);
	sense_engine_finish(engine);
	const struct sense_engine_stats *stats = sense_engine_stats(engine);
	check(!stats->flows_live && stats->flows_peak <= config.max_flows && stats->flows <= stats->packets);
	check(stats->classified <= stats->flows && !stats->script_errors);
	sense_engine_free(engine);
	return 0;
}
