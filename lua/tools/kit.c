#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "core/plugin/loader.h"
#include "lua/tools/tools.h"

int sense_tool_fail(const sense_error *err)
{
	fprintf(stderr, "sense-agent: %s\n", err->message);
	return SENSE_EXIT_FAILED;
}

enum sense_status sense_kit_rules(struct sense_kit *kit, const struct sense_policy_sources *sources,
                                  union sense_mark *mark, struct sense_report *report, sense_error *err)
{
	struct sense_station *station = &kit->station;
	sense_engine_free(station->engine);
	sense_lua_free(station->lua);
	sense_ruleset_free(station->rules);
	station->engine = NULL;
	station->lua = NULL;
	station->rules = NULL;
	return sense_station_rules(station, sources, mark, report, err);
}

bool sense_kit_open(struct sense_kit *kit, const char *const *dirs, unsigned count,
                    struct sense_policy_sources *sources, union sense_mark *mark)
{
	sense_error err;
	struct sense_report report;
	sense_report_init(&report);
	enum sense_status status = sense_station_read(&kit->station, dirs, count, sources, &err);
	if (!status)
		status = sense_station_catalogue(&kit->station, &err);
	if (!status)
		status = sense_kit_rules(kit, sources, mark, &report, &err);
	sense_report_print(&report, stderr);
	if (status && !report.count)
		sense_tool_fail(&err);
	sense_report_fini(&report);
	return !status;
}

static void memory_free(struct sense_kit *kit)
{
	if (kit->memory)
		munmap(kit->memory, kit->plan.total);
	kit->memory = NULL;
}

/* Memory of all parts, with nothing in it. */
static enum sense_status memory_new(struct sense_kit *kit, sense_error *err)
{
	memory_free(kit);
	sense_station_memory(kit->station.conf, &kit->plan);
	void *memory = mmap(NULL, kit->plan.total, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	if (memory == MAP_FAILED)
		return sense_fail_errno(err, "rules", "no memory for what rules remember");
	kit->memory = memory;
	return sense_station_remember(&kit->station, &kit->handles, memory, err);
}

enum sense_status sense_kit_engine(struct sense_kit *kit, const struct sense_engine_config *how,
				   sense_error *err)
{
	sense_engine_free(kit->station.engine);
	kit->station.engine = NULL;
	enum sense_status status = memory_new(kit, err);
	if (status)
		return status;
	sense_lua_remember(kit->station.lua, &kit->handles.state); /* it was there before the memory */
	return sense_station_engine(&kit->station, how, err);
}

enum sense_status sense_kit_capture(struct sense_kit *kit, const char *path, sense_error *err)
{
	void *capture = NULL;
	const struct sense_capture_ops *ops = kit->station.capture;
	int fd = open(path, O_RDONLY | O_CLOEXEC | O_NOCTTY);
	if (fd < 0)
		return sense_fail(err, SENSE_E_IO, "capture", "%s: %s", path, strerror(errno));
	enum sense_status status = ops->open(sense_plugin_host(), path, fd, 0, &capture, err);
	if (!status) {
		status = sense_engine_run(kit->station.engine, ops, capture, path, err);
		ops->close(capture);
	}
	close(fd);
	return status;
}

void sense_kit_close(struct sense_kit *kit)
{
	sense_station_close(&kit->station);
	memory_free(kit);
}

void sense_kit_events(const struct sense_rule *rule, struct sense_buf *out)
{
	const char *const *names = sense_event_kind_names();
	bool some = false;
	for (unsigned kind = 0; names[kind]; kind++) {
		if (!(rule->events >> kind & 1))
			continue;
		sense_buf_printf(out, "%s%s", some ? ", " : "", names[kind]);
		some = true;
	}
}

int sense_kit_rule(const sense_ruleset *rules, const char *id, char *near, size_t cap)
{
	unsigned count = sense_ruleset_count(rules);
	const char **ids = calloc(count + 1u, sizeof *ids);
	int found = -1;
	*near = '\0';
	for (unsigned i = 0; ids && i < count && found < 0; i++) {
		ids[i] = sense_ruleset_get(rules, i)->id;
		if (!strcmp(ids[i], id))
			found = (int)i;
	}
	const char *nearest = found < 0 && ids && strlen(id) <= 100 ? sense_nearest(id, ids) : NULL;
	if (nearest)
		snprintf(near, cap, ", did you mean '%s'?", nearest);
	free(ids);
	return found;
}
