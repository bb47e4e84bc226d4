#include "core/plugin/loader.h"

#include <dlfcn.h>
#include <errno.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>
#include <sys/select.h>
#include <unistd.h>

#include "core/base/log.h"

/* A plugin may be older than this host: what 1.0 had is the least. */
#define PLUGIN_SIZE_1_0 (offsetof(struct sense_plugin, classifier) + sizeof(void *))

static void host_log(enum sense_log_level level, const char *plugin, const char *fmt, ...)
{
	va_list args;
	va_start(args, fmt);
	sense_vlog(level, plugin, fmt, args);
	va_end(args);
}

static struct sense_plugin_idle idle = {.fd = -1};
static bool idle_ended; /* it wants no more */

void sense_plugin_on_idle(const struct sense_plugin_idle *what)
{
	idle = *what;
}

static bool selectable(int fd)
{
	return fd >= 0 && fd < FD_SETSIZE;
}

/*
 * select: poll refuses to look at even one descriptor in a worker, which may have none beyond those it has.
 * An error is left to the read that follows. Whether fd is readable; `other` only ends the waiting.
 */
static int readable(int fd, int other, int ms)
{
	struct timeval wait = {.tv_sec = ms / 1000, .tv_usec = ms % 1000 * 1000};
	fd_set set;
	FD_ZERO(&set);
	if (selectable(fd))
		FD_SET(fd, &set);
	if (selectable(other))
		FD_SET(other, &set);
	int ready = select((fd > other ? fd : other) + 1, &set, NULL, NULL, ms < 0 ? NULL : &wait);
	return ready > 0 ? selectable(fd) && FD_ISSET(fd, &set) : ready;
}

static void host_wait(int fd)
{
	if (!selectable(fd))
		return;
	int ready = readable(fd, -1, 0);
	while (!ready || (ready < 0 && errno == EINTR)) {
		int ms = idle.work ? idle.work(idle.self) : -1;
		idle_ended = idle.work && ms < 0;
		if (idle_ended)
			return;
		ready = readable(fd, idle.fd, ms);
	}
}

static bool host_ending(void)
{
	return idle_ended;
}

void sense_plugin_idle_run(const struct sense_plugin_idle *what)
{
	for (int ms = what->work(what->self); ms >= 0; ms = what->work(what->self))
		readable(-1, what->fd, ms);
}

const struct sense_host *sense_plugin_host(void)
{
	static const struct sense_host host = {
	    .size = sizeof host,
	    .log = host_log,
	    .fail = sense_fail,
	    .wait = host_wait,
	    .ending = host_ending,
	};
	return &host;
}

void sense_plugin_abi_format(uint32_t abi, char *out, size_t cap)
{
	snprintf(out, cap, "%u.%u", abi >> 16, abi & 0xffff);
}

static enum sense_status abi_check(const char *path, const uint32_t *abi, sense_error *err)
{
	char found[24], wanted[24];
	if (!abi)
		return sense_fail(err, SENSE_E_VERSION, "plugin",
		                  "%s: not a SENSE plugin: it has no symbol sense_plugin_abi", path);
	if (*abi >> 16 == SENSE_ABI_MAJOR && (*abi & 0xffff) <= SENSE_ABI_MINOR)
		return SENSE_OK;
	sense_plugin_abi_format(*abi, found, sizeof found);
	sense_plugin_abi_format(SENSE_PLUGIN_ABI, wanted, sizeof wanted);
	return sense_fail(err, SENSE_E_VERSION, "plugin",
	                  "%s: plugin interface version %s found, %s wanted: rebuild the plugin", path,
	                  found, wanted);
}

const struct sense_plugin *sense_plugin_load(const char *dir, const char *name, sense_error *err)
{
	char path[PATH_MAX];
	if (snprintf(path, sizeof path, "%s/%s.so", dir, name) >= (int)sizeof path) {
		sense_fail(err, SENSE_E_LIMIT, "plugin", "path of plugin '%s' is too long", name);
		return NULL;
	}
	if (access(path, R_OK)) {
		sense_fail_errno(err, "plugin", "cannot load plugin '%s': %s", name, path);
		return NULL;
	}
	void *object = dlopen(path, RTLD_NOW | RTLD_LOCAL);
	if (!object) {
		sense_fail(err, SENSE_E_UNSUPPORTED, "plugin", "cannot load plugin '%s': %s", name,
		           dlerror());
		return NULL;
	}
	if (abi_check(path, dlsym(object, "sense_plugin_abi"), err))
		goto refuse;
	const struct sense_plugin *plugin = dlsym(object, "sense_plugin");
	if (!plugin || plugin->size < PLUGIN_SIZE_1_0 || !plugin->name || strcmp(plugin->name, name)) {
		sense_fail(err, SENSE_E_FORMAT, "plugin", "%s: its symbol sense_plugin %s", path,
		           !plugin                        ? "is missing"
		           : plugin->size < PLUGIN_SIZE_1_0 ? "is too small"
		                                           : "bears another name");
		goto refuse;
	}
	return plugin;
refuse:
	dlclose(object);
	return NULL;
}
