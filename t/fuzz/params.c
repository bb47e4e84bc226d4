/* Settings of rules as a worker gets them: what is refused must say why, and what is taken leaves policies
 * that load. */
#include <luajit.h>
#include <stdlib.h>

#include "lua/policy.h"
#include "lua/state.h"
#include "proto/manifest.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static sense_error err;

static const char policy[] =
    "rule 'my.kinds' { title = 't', severity = 'low', on = 'tls', params = { limit = 5, word = 'w', on = "
    "true,\n"
    "  fine = set { 'a' }, list = { 'x' }, ports = set { 443 }, free = set {}, own = { a = 1 } },\n"
    "  when = function(f, p) return p.fine[p.word] or p.limit > #p.list end }\n"
    "rule 'my.other' { title = 't', severity = 'low', on = 'tls', params = { limit = 7 },\n"
    "  when = function(f, p) return p.limit > 5 end }\n";

static void check(bool good)
{
	if (!good)
		abort();
}

static void load(sense_lua *lua, sense_ruleset *set, const uint8_t *data, size_t size)
{
	struct sense_report report;
	struct sense_policy_sources sources;
	sense_report_init(&report);
	sense_policy_sources_init(&sources);
	luaJIT_setmode(lua->L, 0, LUAJIT_MODE_ENGINE | LUAJIT_MODE_OFF);
	check(!sense_policy_source_add(&sources, "fuzz.lua", "fuzz", policy, sizeof policy - 1, &err));
	check(!sense_policy_source_params(&sources, data, size, &err));
	enum sense_status status = sense_policy_load(lua, &sources, set, &report, &err);
	check(!status == !report.count && sense_ruleset_count(set) == (status ? 0 : 2));
	for (unsigned i = 0; i < report.count && i < SENSE_REPORT_MAX; i++)
		check(report.items[i].message[0]);
	check(status || !sense_ruleset_compile(set, &err));
	sense_policy_sources_fini(&sources);
	sense_report_fini(&report);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct sense_lua_limits limits = {.memory = 8 << 20};
	if (size > SENSE_MANIFEST_PARAMS_MAX)
		return 0;
	sense_lua *lua = sense_lua_new(&limits, &err);
	sense_ruleset *set = sense_ruleset_new();
	check(lua && set);
	load(lua, set, data, size);
	sense_ruleset_free(set);
	sense_lua_free(lua);
	return 0;
}
