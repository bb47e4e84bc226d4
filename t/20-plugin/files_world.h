/*
 * For the tests of the sensor `files`: a host that records what it is told and reads the shipped catalogue,
 * and a home in a temporary directory. The plugin is loaded as the agent loads it.
 */
#ifndef SENSE_T_FILES_WORLD_H
#define SENSE_T_FILES_WORLD_H

#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include "core/base/status.h"
#include "t/tap.h"

#define TOLD_MAX 4096u

static struct told {
	char event[16];
	char *text; /* "|field=value|field=value|" */
} told[TOLD_MAX];
static unsigned told_count, mistakes;

static const struct sense_sensor_ops *ops;
static char home[256], homes[2048];
static sense_error error;

/* ---- the host ---------------------------------------------------------------------------------------- */

__attribute__((format(printf, 3, 4))) static void quiet(enum sense_log_level level, const char *plugin,
                                                        const char *fmt, ...)
{
	(void)level;
	(void)plugin;
	(void)fmt;
}

static void record(const char *event, uint32_t pid, const struct sense_fact *facts, unsigned count)
{
	char text[16384] = "|";
	size_t used = 1;
	(void)pid;
	for (unsigned i = 0; i < count && used < sizeof text; i++) {
		const struct sense_fact *fact = &facts[i];
		if (fact->type == SENSE_FACT_TEXT)
			used += (size_t)snprintf(text + used, sizeof text - used, "%s=%s|", fact->field,
			                         fact->text);
		else
			used +=
			    (size_t)snprintf(text + used, sizeof text - used, "%s=%g|", fact->field,
			                     fact->type == SENSE_FACT_BOOL ? fact->boolean : fact->number);
	}
	mistakes += used >= sizeof text || told_count == TOLD_MAX;
	if (told_count == TOLD_MAX)
		return;
	snprintf(told[told_count].event, sizeof told[0].event, "%s", event);
	told[told_count++].text = strdup(text);
}

static unsigned split(char *line, const char **fields, unsigned max)
{
	unsigned count = 0;
	for (char *at = line; at && count < max - 1;) {
		fields[count++] = at;
		at = strchr(at, '\t');
		if (at)
			*at++ = '\0';
	}
	fields[count] = NULL;
	return count;
}

/* The shipped table; that of packages with an extension of Firefox, of which it has none. */
static enum sense_status table(const char *name, bool (*row)(void *self, const struct sense_row *row),
                               void *self, sense_error *err)
{
	char path[256], names[8192], line[8192];
	const char *columns[32], *fields[32];
	unsigned number = 0, width = 0;
	snprintf(path, sizeof path, "policies/catalogue/%s.tsv", name);
	FILE *in = fopen(path, "r");
	if (!in)
		return sense_fail(err, SENSE_E_NOTFOUND, "test", "%s: %s", path, strerror(errno));
	bool more = true;
	while (more && fgets(line, sizeof line, in)) {
		line[strcspn(line, "\n")] = '\0';
		number++;
		if (line[0] == '#' || !line[0])
			continue;
		if (!width) {
			snprintf(names, sizeof names, "%s", line);
			width = split(names, columns, 32);
			continue;
		}
		split(line, fields, 32);
		more = row(self, &(struct sense_row){columns, fields, number});
	}
	fclose(in);
	if (!strcmp(name, "sdk")) {
		static const char *const sdk[] = {"ecosystem", "name", NULL};
		static const char *const fox[] = {"firefox-ext", "ai@example.org", NULL};
		row(self, &(struct sense_row){sdk, fox, 0});
	}
	return SENSE_OK;
}

static const char *setting(const char *key)
{
	if (!strcmp(key, "host.homes"))
		return homes;
	return !strcmp(key, "host.sweep_every") ? "2h" : NULL;
}

static void gauge(const char *name, uint64_t value)
{
	(void)name;
	(void)value;
}

static const struct sense_host host = {.size = sizeof host,
                                       .log = quiet,
                                       .fail = sense_fail,
                                       .tell = record,
                                       .catalogue = table,
                                       .setting = setting,
                                       .gauge = gauge};

/* ---- what was told ------------------------------------------------------------------------------------ */

/* Whether all of the NULL-terminated parts stand in one event from `from` on. */
static const char *find_told(unsigned from, const char *event, const char *const *parts)
{
	for (unsigned i = from; i < told_count; i++) {
		bool all = !strcmp(told[i].event, event);
		for (unsigned k = 0; parts[k] && all; k++)
			all = strstr(told[i].text, parts[k]) != NULL;
		if (all)
			return told[i].text;
	}
	return NULL;
}

#define TOLD(event, ...) find_told(0, event, (const char *const[]){__VA_ARGS__, NULL})

__attribute__((unused)) static unsigned count_told(unsigned from, const char *event, const char *part)
{
	unsigned count = 0;
	for (unsigned i = from; i < told_count; i++)
		count += !strcmp(told[i].event, event) && strstr(told[i].text, part);
	return count;
}

__attribute__((unused)) static void show_told(void)
{
	for (unsigned i = 0; i < told_count; i++)
		fprintf(stderr, "# %s %s\n", told[i].event, told[i].text);
}

static void forget_told(void)
{
	while (told_count)
		free(told[--told_count].text);
}

/* ---- the home ------------------------------------------------------------------------------------------ */

static const char *in_home(const char *rel)
{
	static char path[4][4096];
	static unsigned turn;
	turn = (turn + 1) % 4;
	snprintf(path[turn], sizeof path[turn], "%s/%s", home, rel);
	return path[turn];
}

/* Directories above the path. */
static void make_parents(const char *path)
{
	char copy[4096];
	snprintf(copy, sizeof copy, "%s", path);
	for (char *at = copy + 1; (at = strchr(at, '/')); at++) {
		*at = '\0';
		mkdir(copy, 0755);
		*at = '/';
	}
}

static void put_bytes(const char *rel, const void *bytes, size_t len)
{
	const char *path = in_home(rel);
	make_parents(path);
	int fd = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0644);
	if (fd < 0 || write(fd, bytes, len) != (ssize_t)len)
		mistakes++;
	if (fd >= 0)
		close(fd);
}

static void put(const char *rel, const char *text)
{
	put_bytes(rel, text, strlen(text));
}

static void world_begin(void)
{
	const char *build = getenv("SENSE_BUILD");
	char path[4096];
	alarm(240); /* a hang is a failure, too */
	snprintf(path, sizeof path, "%s/plugins/files.so", build ? build : "build");
	void *object = dlopen(path, RTLD_NOW);
	const uint32_t *abi = object ? dlsym(object, "sense_plugin_abi") : NULL;
	const struct sense_plugin *plugin = object ? dlsym(object, "sense_plugin") : NULL;
	if (!ok(plugin && abi && *abi == SENSE_PLUGIN_ABI && plugin->sensor && plugin->platform,
	        "%s is a sensor", path)) {
		fprintf(stderr, "# %s\n", dlerror());
		exit(tap_done());
	}
	ops = plugin->sensor;
	snprintf(home, sizeof home, "/tmp/sense-files-XXXXXX");
	if (!mkdtemp(home))
		exit(1);
	snprintf(homes, sizeof homes, "%s", home);
}

static int world_end(void)
{
	char command[512];
	forget_told();
	is_num(mistakes, 0, "the test itself had what it needs");
	snprintf(command, sizeof command, "rm -rf '%s'", home);
	if (system(command))
		fprintf(stderr, "# %s stays\n", home);
	return tap_done();
}

/* ---- the sensor ---------------------------------------------------------------------------------------- */

static void *begin(enum sense_sensor_mode mode)
{
	void *sensor = NULL;
	if (!ok(!ops->open(&host, mode, &sensor, &error), "it opens: %s", error.message))
		exit(tap_done());
	return sensor;
}

/* One complete sweep; returns how many pieces it took. */
static unsigned sweep(void *sensor, uint32_t *wait_ms)
{
	unsigned pieces = 0;
	do
		if (ops->sweep(sensor, wait_ms, &error))
			mistakes++;
	while (++pieces < 1000000 && !*wait_ms);
	return pieces;
}

static void sweep_once(void)
{
	uint32_t wait_ms;
	void *sensor = begin(SENSE_SENSOR_ONCE);
	sweep(sensor, &wait_ms);
	ops->close(sensor);
}

#endif
