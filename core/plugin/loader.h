/*
 * Loading of plugins: shared objects behind core/sense_plugin.h.
 *
 * A plugin is loaded once and stays for the life of the process. One of another interface version
 * is refused, with its path and both versions, before any other symbol of it is read.
 */
#ifndef SENSE_PLUGIN_LOADER_H
#define SENSE_PLUGIN_LOADER_H

#include "core/base/status.h"

/* The functions that every plugin gets. */
const struct sense_host *sense_plugin_host(void);

/*
 * What is done while a source is silent (sense_host.wait): a little work, and for how many milliseconds to
 * wait for the source before the next, or until `fd` becomes readable; a negative number: no more is wanted.
 */
struct sense_plugin_idle {
	void *self;
	int (*work)(void *self);
	int fd; /* -1: none */
};
void sense_plugin_on_idle(const struct sense_plugin_idle *what);

/*
 * The same without a source: a run that has none goes on with what comes at `fd`.
 */
void sense_plugin_idle_run(const struct sense_plugin_idle *what);

/* Loads DIR/NAME.so. NULL on failure. */
const struct sense_plugin *sense_plugin_load(const char *dir, const char *name, sense_error *err);

/* "1.0" */
void sense_plugin_abi_format(uint32_t abi, char *out, size_t cap);

#endif
