/*
 * The configuration file: sandboxed Lua that assigns keys or returns a table of them.
 *
 *   flow = { max = 200000 }
 *   log = { level = "info" }
 */
#ifndef SENSE_LUA_CONF_FILE_H
#define SENSE_LUA_CONF_FILE_H

#include "core/conf/conf.h"

#define SENSE_CONF_FILE_MAX (1u << 20)

/*
 * Sets every key that the file open at fd gives; name is for messages and origins. SENSE_E_CONFIG: the report
 * holds all that is wrong in the text, or err what is wrong with the file: not a regular one, too large.
 */
enum sense_status sense_conf_fd_load(struct sense_conf *conf, const char *name, int fd,
				     struct sense_report *report, sense_error *err);
/* The same for a text that is in memory already. */
enum sense_status sense_conf_text_load(struct sense_conf *conf, const char *name, const char *text,
				       size_t len, struct sense_report *report, sense_error *err);

#endif
