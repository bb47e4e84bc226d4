/*
 * The configuration file: sandboxed Lua that assigns keys or returns a table of them.
 *
 *   flow = { max = 200000 }
 *   log = { level = "info" }
 */
#ifndef SENSE_LUA_CONF_FILE_H
#define SENSE_LUA_CONF_FILE_H

#include "core/conf/conf.h"

/* Sets every key that the file gives. SENSE_E_CONFIG: the report holds all that is wrong. */
enum sense_status sense_conf_file_load(struct sense_conf *conf, const char *path, struct sense_report *report,
				       sense_error *err);
/* The same for a text that is in memory already. */
enum sense_status sense_conf_text_load(struct sense_conf *conf, const char *name, const char *text,
				       size_t len, struct sense_report *report, sense_error *err);

#endif
