#include "lua/conf_file.h"

#include <ctype.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "lua/state.h"

struct load {
	struct sense_conf *conf;
	struct sense_report *report;
	const char *name;
	const char *text;
	size_t len;
};

static bool word_char(char c)
{
	return c == '_' || isalnum((unsigned char)c);
}

/* The first line that sets the last part of the key: Lua does not say where a key stands. */
static int line_of(const struct load *load, const char *key)
{
	const char *dot = strrchr(key, '.'), *last = dot ? dot + 1 : key, *text = load->text;
	size_t word = strlen(last);
	int line = 1;
	for (size_t i = 0; word && i + word < load->len; i++) {
		size_t end = i + word;
		line += text[i] == '\n';
		if (memcmp(text + i, last, word) || (i && word_char(text[i - 1])))
			continue;
		while (end < load->len && (text[end] == ' ' || text[end] == '\t'))
			end++;
		if (end < load->len && text[end] == '=')
			return line;
	}
	return 0;
}

static enum sense_status set_entry(lua_State *L, struct load *load, int entry, const char *key,
				   sense_error *why)
{
	const char *items[SENSE_CONF_LIST_MAX + 1];
	lua_getfield(L, entry, "value");
	if (lua_type(L, -1) == LUA_TSTRING)
		return sense_conf_set(load->conf, key, lua_tostring(L, -1), load->name, why);
	if (!lua_istable(L, -1))
		return sense_fail(why, SENSE_E_CONFIG, "config", "takes a text, a number or a list");
	size_t count = lua_objlen(L, -1);
	if (!count && sense_conf_is_group(load->conf, key))
		return SENSE_OK; /* a group of which nothing is set */
	if (count > SENSE_CONF_LIST_MAX)
		return sense_fail(why, SENSE_E_CONFIG, "config", "more than %d values", SENSE_CONF_LIST_MAX);
	for (size_t i = 0; i < count; i++) {
		lua_rawgeti(L, -1, (int)i + 1);
		items[i] = lua_tostring(L, -1);
		lua_pop(L, 1); /* its table keeps it alive */
	}
	return sense_conf_set_list(load->conf, key, (unsigned)count, items, load->name, why);
}

static void load_body(sense_lua *lua, lua_State *L, void *arg)
{
	struct load *load = arg;
	struct sense_error why;
	(void)lua;
	sense_lua_module(L, "conf", "load");
	if (!sense_lua_compile(L, load->name, load->text, load->len))
		lua_error(L);
	lua_call(L, 1, 1);
	int list = lua_gettop(L);
	for (int i = 1; i <= (int)lua_objlen(L, list); i++) {
		lua_rawgeti(L, list, i);
		lua_getfield(L, -1, "key");
		const char *key = lua_tostring(L, -1);
		if (set_entry(L, load, lua_gettop(L) - 1, key, &why)) {
			struct sense_problem problem = {
			    .file = load->name,
			    .line = line_of(load, key),
			    .key = key,
			    .message = why.message,
			};
			sense_report_add(load->report, &problem);
		}
		lua_settop(L, list);
	}
}

/* "name:12: message" taken apart, so that it prints like any other problem. */
static void report_script(struct load *load, const char *message)
{
	struct sense_problem problem = {.file = load->name, .message = message};
	const char *p = strchr(message, ':');
	char *end;
	if (p && p[1] >= '0' && p[1] <= '9') {
		long line = strtol(p + 1, &end, 10);
		if (!strncmp(end, ": ", 2)) {
			problem.line = (int)line;
			problem.message = end + 2;
		}
	}
	sense_report_add(load->report, &problem);
}

enum sense_status sense_conf_text_load(struct sense_conf *conf, const char *name, const char *text,
				       size_t len, struct sense_report *report, sense_error *err)
{
	struct load load = {conf, report, name, text, len};
	struct sense_lua_limits limits = {.memory = (size_t)16 << 20};
	struct sense_error why;
	unsigned before = report->count;
	sense_lua *lua = sense_lua_new(&limits, err);
	if (!lua)
		return SENSE_E_MEMORY;
	if (sense_lua_protect(lua, load_body, &load, lua->limits.load_us, &why))
		report_script(&load, why.message);
	sense_lua_free(lua);
	if (report->count == before)
		return SENSE_OK;
	return sense_fail(err, SENSE_E_CONFIG, "config", "%u problem%s in %s", report->count - before,
			  report->count - before == 1 ? "" : "s", name);
}

static enum sense_status file_read(int fd, char *out, size_t *len, sense_error *err)
{
	struct stat st;
	if (fstat(fd, &st))
		return sense_fail_errno(err, "config", "cannot read it");
	if (!S_ISREG(st.st_mode))
		return sense_fail(err, SENSE_E_CONFIG, "config", "not a regular file");
	for (*len = 0; *len <= SENSE_CONF_FILE_MAX;) {
		ssize_t got = read(fd, out + *len, SENSE_CONF_FILE_MAX + 1 - *len);
		if (got < 0 && errno == EINTR)
			continue;
		if (got < 0)
			return sense_fail_errno(err, "config", "cannot read it");
		if (!got)
			return SENSE_OK;
		*len += (size_t)got;
	}
	return sense_fail(err, SENSE_E_LIMIT, "config", "larger than %u KiB", SENSE_CONF_FILE_MAX / 1024);
}

enum sense_status sense_conf_fd_load(struct sense_conf *conf, const char *name, int fd,
				     struct sense_report *report, sense_error *err)
{
	size_t len = 0;
	char *text = malloc(SENSE_CONF_FILE_MAX + 1);
	if (!text)
		return sense_fail(err, SENSE_E_MEMORY, "config", "no memory to read it");
	enum sense_status status = file_read(fd, text, &len, err);
	if (!status)
		status = sense_conf_text_load(conf, name, text, len, report, err);
	free(text);
	return status;
}
