/*
 * Policy text: what is refused must say why; what loads must compile, and its rules stand an event.
 *
 * Compiled loops do not see the hook that ends a script (the supervisor's watchdog is there for
 * them), so the compiler is off here, and the time limits are what an input is held to.
 */
#include <luajit.h>

#include "lua/policy.h"
#include "lua/state.h"
#include "t/world.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static sense_error err;

static void check(bool good)
{
	if (!good)
		abort();
}

static void failed(void *context, const struct sense_rule *rule, const sense_error *why)
{
	(void)context;
	check(rule->has_when && why->message[0]);
}

/* The rules with a `when` are asked often enough to be fused. */
static void ask(const struct sense_script *script, const sense_ruleset *set, const uint32_t *numbers,
		unsigned count, const struct sense_event *event)
{
	uint32_t scripted[SENSE_SCRIPT_ASK_MAX];
	struct sense_script_ask ask = {.rules = set, .numbers = scripted, .event = event, .failed = failed};
	for (unsigned i = 0; i < count && ask.count < SENSE_SCRIPT_ASK_MAX; i++)
		if (sense_ruleset_get(set, numbers[i])->has_when)
			scripted[ask.count++] = numbers[i];
	for (unsigned i = 0; ask.count && i < (ask.count > 1 ? 66 : 1); i++)
		check(!(script->when(script->self, &ask) >> ask.count));
}

static void hit(const struct sense_script *script, const struct sense_rule *rule, const struct sense_event *event)
{
	struct sense_arena arena;
	struct sense_finding finding = {.id = "1"};
	enum sense_status status = SENSE_OK;
	sense_arena_init(&arena, 1 << 20);
	if (rule->has_finding)
		status = script->finding(script->self, rule, event, &arena, &finding, &err);
	check(!status || err.message[0]);
	check(finding.detail_count <= SENSE_FINDING_DETAILS_MAX);
	for (unsigned i = 0; i < finding.detail_count; i++)
		check(finding.details[i].key[0]);
	sense_arena_fini(&arena);
}

static void stand(sense_lua *lua, sense_ruleset *set)
{
	static struct world world;
	struct sense_script script = sense_lua_script(lua);
	check(!sense_ruleset_compile(set, &err));
	world_init(&world);
	world.event.dns = &world.dns;
	world.event.http = &world.http;
	world.event.hello = &world.hello;
	world.event.signal = &world.signal;
	for (int kind = 0; kind < SENSE_EVENT_KINDS; kind++) {
		world.event.kind = (enum sense_event_kind)kind;
		const uint32_t *numbers;
		unsigned count = sense_ruleset_match(set, &world.event, &numbers);
		ask(&script, set, numbers, count, &world.event);
		for (unsigned i = 0; i < count; i++)
			hit(&script, sense_ruleset_get(set, numbers[i]), &world.event);
	}
	world_fini(&world);
}

static void load(sense_lua *lua, sense_ruleset *set, const char *text, size_t len)
{
	struct sense_report report;
	struct sense_policy_sources sources;
	sense_report_init(&report);
	sense_policy_sources_init(&sources);
	luaJIT_setmode(lua->L, 0, LUAJIT_MODE_ENGINE | LUAJIT_MODE_OFF);
	check(!sense_policy_source_add(&sources, "fuzz.lua", "fuzz", text, len, &err));
	enum sense_status status = sense_policy_load(lua, &sources, set, &report, &err);
	check(!status == !report.count || status != SENSE_E_CONFIG);
	check(!status || err.message[0]);
	for (unsigned i = 0; i < report.count && i < SENSE_REPORT_MAX; i++)
		check(report.items[i].message[0]);
	if (!status)
		stand(lua, set);
	sense_policy_sources_fini(&sources);
	sense_report_fini(&report);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct sense_lua_limits limits = {.memory = 8 << 20};
	if (size > 16384)
		return 0;
	sense_lua *lua = sense_lua_new(&limits, &err);
	sense_ruleset *set = sense_ruleset_new();
	check(lua && set);
	load(lua, set, (const char *)data, size);
	sense_ruleset_free(set);
	sense_lua_free(lua);
	return 0;
}
