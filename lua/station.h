/*
 * An engine and all that it works with, put together from the configuration: plugins, catalogue,
 * policies. `replay`, `check` and the rule tools all load through here, so that what one of them
 * accepts or finds, all do.
 */
#ifndef SENSE_LUA_STATION_H
#define SENSE_LUA_STATION_H

#include "core/conf/agent.h"
#include "core/engine/engine.h"
#include "core/rules/memory.h"
#include "lua/policy.h"

#define SENSE_RULES_MAX 65536u

/* Handles on the parts of the memory in which rules remember (core/rules/memory.h). */
struct sense_memory {
	struct sense_throttle throttle;
	struct sense_state state;
	struct sense_activities activities;
};

/* Zero it, set conf, fill what is needed, close it. The members are there to be used. */
struct sense_station {
	const struct sense_conf *conf;
	const char *capture_plugin; /* NULL: "pcap" */
	const struct sense_board *board; /* whose flow is whose; NULL: nobody says */
	const struct sense_capture_ops *capture;
	const struct sense_classifier_ops *classifier;
	sense_catalogue *catalogue;
	struct sense_memory *memory; /* what rules remember; NULL: nothing, but what `state` keeps for itself */
	sense_ruleset *rules;
	sense_lua *lua;
	sense_engine *engine;
	/* Asked before policies are run; NULL: there is nothing to prepare. For tests. */
	enum sense_status (*prepare)(sense_lua *lua, const void *context, sense_error *err);
	const void *context;
};

/* The memory that the rules of this configuration want (core/rules/memory.h). */
void sense_station_memory(const struct sense_conf *conf, struct sense_memory_plan *plan);
/* Takes a block of plan.total bytes, new or of an earlier worker, into use. Before policies are loaded. */
enum sense_status sense_station_remember(struct sense_station *station, struct sense_memory *memory, void *block,
					 sense_error *err);

/* Where plugins and the catalogue are; out holds PATH_MAX bytes and may be what is returned. */
const char *sense_station_plugins_dir(const struct sense_conf *conf, char *out);
const char *sense_station_catalogue_dir(const struct sense_conf *conf, char *out);
enum sense_status sense_station_plugins(struct sense_station *station, sense_error *err);
enum sense_status sense_station_catalogue(struct sense_station *station, sense_error *err);
/* Reads the policies of the directories or files; none: those of the configuration, or as shipped. */
enum sense_status sense_station_read(const struct sense_station *station, const char *const *dirs,
				     unsigned count, struct sense_policy_sources *sources, sense_error *err);
/* The directories or files that sense_station_read reads; a list that lasts. */
const char *const *sense_station_paths(const struct sense_conf *conf, const char *const *dirs, unsigned *count);
/* An empty Lua state and rule set, as sense_station_rules fills them. */
enum sense_status sense_station_state(struct sense_station *station, union sense_mark *mark, sense_error *err);
/*
 * A Lua state and a rule set of the sources. mark: where the watchdog looks; NULL: nobody watches.
 * SENSE_E_CONFIG: the report says what is wrong.
 */
enum sense_status sense_station_rules(struct sense_station *station, const struct sense_policy_sources *sources,
				      union sense_mark *mark, struct sense_report *report, sense_error *err);
/*
 * The engine. `how` brings sink, throttle and the like; what the station and the configuration know
 * is filled in here; a script that it brings is asked in place of the station's own.
 */
enum sense_status sense_station_engine(struct sense_station *station, const struct sense_engine_config *how,
				       sense_error *err);
void sense_station_close(struct sense_station *station);

#endif
