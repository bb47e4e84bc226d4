#include "lua/station.h"

#include <limits.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "core/platform/platform.h"
#include "core/plugin/loader.h"

#define UPDATE_EVERY_US (60u * 1000000u)
#define UPDATE_EVERY_KIB 1024u

/* ---- where things are ------------------------------------------------------------------------ */

/*
 * Beside the program as it was built, or as `make install` lays it out: the first that exists of
 * DIR(program)/first and DIR(program)/second.
 */
static const char *beside_program(char *out, const char *first, const char *second)
{
	char program[PATH_MAX / 2];
	sense_platform_program_path(program, sizeof program);
	char *slash = strrchr(program, '/');
	if (slash)
		*slash = '\0';
	snprintf(out, PATH_MAX, "%s/%s", program, first);
	if (access(out, F_OK))
		snprintf(out, PATH_MAX, "%s/%s", program, second);
	return out;
}

const char *sense_station_plugins_dir(const struct sense_conf *conf, char *out)
{
	const char *set = sense_conf_text(conf, SENSE_CONF_PLUGINS_DIR);
	return *set ? set : beside_program(out, "plugins", "../lib/sense/plugins");
}

const char *sense_station_catalogue_dir(const struct sense_conf *conf, char *out)
{
	const char *set = sense_conf_text(conf, SENSE_CONF_CATALOGUE_DIR);
	return *set ? set : beside_program(out, "policies/catalogue", "../share/sense/policies/catalogue");
}

void sense_station_memory(const struct sense_conf *conf, struct sense_memory_plan *plan)
{
	unsigned keys = (unsigned)sense_conf_number(conf, SENSE_CONF_THROTTLE_ENTRIES);
	unsigned entries = (unsigned)sense_conf_number(conf, SENSE_CONF_ACTIVITY_ENTRIES);
	plan->bytes[SENSE_MEMORY_THROTTLE] = sense_throttle_bytes(keys);
	plan->bytes[SENSE_MEMORY_STATE] =
	    sense_state_bytes((unsigned)sense_conf_number(conf, SENSE_CONF_STATE_ENTRIES));
	plan->bytes[SENSE_MEMORY_ACTIVITY] = sense_activities_bytes(entries);
	sense_memory_plan(plan);
}

enum sense_status sense_station_remember(struct sense_station *station, struct sense_memory *memory, void *block,
					 sense_error *err)
{
	const struct sense_conf *conf = station->conf;
	unsigned percent = (unsigned)sense_conf_number(conf, SENSE_CONF_STATE_PER_POLICY);
	uint64_t half_life = sense_conf_number(conf, SENSE_CONF_ACTIVITY_HALF_LIFE);
	struct sense_memory_plan plan;
	void *parts[SENSE_MEMORY_PARTS];
	sense_station_memory(conf, &plan);
	for (unsigned i = 0; i < SENSE_MEMORY_PARTS; i++)
		parts[i] = sense_memory_of(&plan, block, (enum sense_memory_part)i);
	enum sense_status status = sense_throttle_attach(&memory->throttle, parts[SENSE_MEMORY_THROTTLE],
							 plan.bytes[SENSE_MEMORY_THROTTLE], err);
	if (!status)
		status = sense_state_attach(&memory->state, parts[SENSE_MEMORY_STATE],
					    plan.bytes[SENSE_MEMORY_STATE], percent, err);
	if (!status)
		status = sense_activities_attach(&memory->activities, parts[SENSE_MEMORY_ACTIVITY],
						 plan.bytes[SENSE_MEMORY_ACTIVITY], half_life, err);
	if (!status)
		station->memory = memory;
	return status;
}

/* ---- parts ----------------------------------------------------------------------------------- */

enum sense_status sense_station_plugins(struct sense_station *station, sense_error *err)
{
	char path[PATH_MAX];
	const char *dir = sense_station_plugins_dir(station->conf, path);
	const char *name = station->capture_plugin ? station->capture_plugin : "pcap";
	const struct sense_plugin *capture = sense_plugin_load(dir, name, err);
	const struct sense_plugin *classifier = capture ? sense_plugin_load(dir, "ndpi", err) : NULL;
	if (!classifier)
		return err->status;
	station->capture = capture->capture;
	station->classifier = classifier->classifier;
	if (!station->capture || !station->classifier)
		return sense_fail(err, SENSE_E_UNSUPPORTED, "plugin", "%s: '%s' does not offer what its name says",
				  dir, station->capture ? "ndpi" : name);
	return SENSE_OK;
}

enum sense_status sense_station_catalogue(struct sense_station *station, sense_error *err)
{
	char path[PATH_MAX];
	station->catalogue = sense_catalogue_load(sense_station_catalogue_dir(station->conf, path), err);
	return station->catalogue ? SENSE_OK : err->status;
}

const char *const *sense_station_paths(const struct sense_conf *conf, const char *const *dirs, unsigned *count)
{
	static char path[PATH_MAX];
	static const char *const shipped[] = {path};
	if (*count)
		return dirs;
	dirs = sense_conf_list(conf, SENSE_CONF_POLICIES_DIRS, count);
	if (*count)
		return dirs;
	beside_program(path, "policies", "../share/sense/policies");
	*count = 1;
	return shipped;
}

enum sense_status sense_station_read(const struct sense_station *station, const char *const *dirs,
				     unsigned count, struct sense_policy_sources *sources, sense_error *err)
{
	enum sense_status status = SENSE_OK;
	dirs = sense_station_paths(station->conf, dirs, &count);
	for (unsigned i = 0; i < count && !status; i++) {
		unsigned before = sources->count;
		status = sense_policy_read(sources, dirs[i], err);
		if (!status && sources->count == before)
			status = sense_fail(err, SENSE_E_CONFIG, "policy", "%s: no policies (*.lua) there", dirs[i]);
	}
	return status;
}

enum sense_status sense_station_state(struct sense_station *station, union sense_mark *mark, sense_error *err)
{
	const struct sense_conf *conf = station->conf;
	struct sense_lua_limits limits = {
	    .memory = sense_conf_number(conf, SENSE_CONF_RULES_MEMORY),
	    .soft_us = sense_conf_number(conf, SENSE_CONF_RULES_SOFT_LIMIT),
	    .load_us = sense_conf_number(conf, SENSE_CONF_RULES_LOAD_LIMIT),
	    .budget = (unsigned)sense_conf_number(conf, SENSE_CONF_RULES_BUDGET),
	    .budget_window_us = sense_conf_number(conf, SENSE_CONF_RULES_BUDGET_WINDOW),
	    .mark = mark,
	};
	station->rules = sense_ruleset_new();
	if (!station->rules)
		return sense_fail(err, SENSE_E_MEMORY, "rules", "no memory for the rules");
	station->lua = sense_lua_new(&limits, err);
	if (!station->lua)
		return err->status;
	if (station->memory)
		sense_lua_remember(station->lua, &station->memory->state);
	return SENSE_OK;
}

enum sense_status sense_station_rules(struct sense_station *station, const struct sense_policy_sources *sources,
				      union sense_mark *mark, struct sense_report *report, sense_error *err)
{
	enum sense_status status = sense_station_state(station, mark, err);
	if (!status && station->prepare)
		status = station->prepare(station->lua, station->context, err);
	if (!status)
		status = sense_policy_load(station->lua, sources, station->rules, report, err);
	return status ? status : sense_ruleset_compile(station->rules, err);
}

enum sense_status sense_station_engine(struct sense_station *station, const struct sense_engine_config *how,
				       sense_error *err)
{
	const struct sense_conf *conf = station->conf;
	struct sense_engine_config config = *how;
	config.classifier = station->classifier;
	config.catalogue = station->catalogue;
	config.rules = station->rules;
	config.throttle = station->memory ? &station->memory->throttle : NULL;
	config.activities = station->memory ? &station->memory->activities : NULL;
	config.board = station->board;
	if (station->lua && !config.script.self)
		config.script = sense_lua_script(station->lua);
	config.max_flows = (uint32_t)sense_conf_number(conf, SENSE_CONF_FLOW_MAX);
	config.max_names = (uint32_t)sense_conf_number(conf, SENSE_CONF_NAMES_CACHE);
	config.idle_timeout_us = sense_conf_number(conf, SENSE_CONF_FLOW_IDLE_TIMEOUT);
	config.update_every_us = UPDATE_EVERY_US;
	config.update_every_kib = UPDATE_EVERY_KIB;
	station->engine = sense_engine_new(&config, err);
	return station->engine ? SENSE_OK : err->status;
}

void sense_station_close(struct sense_station *station)
{
	sense_engine_free(station->engine);
	sense_lua_free(station->lua);
	sense_ruleset_free(station->rules);
	sense_catalogue_free(station->catalogue);
}
