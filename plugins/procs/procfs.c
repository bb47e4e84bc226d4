#include "procfs.h"

#include <stdio.h>
#include <string.h>

enum {
	STAT_PARENT = 4,
	STAT_FLAGS = 9,
	STAT_START = 22,
	ENV_NAME_MAX = 128,
	CONTAINER_DIGITS = 64,
	CONTAINER_SHOWN = 12
};

/* Digits at *at, which moves behind them. */
static bool number(const char **at, const char *end, uint64_t *out)
{
	const char *p = *at;
	*out = 0;
	while (p < end && *p >= '0' && *p <= '9' && *out < UINT64_MAX / 10 - 1)
		*out = *out * 10 + (uint64_t)(*p++ - '0');
	bool any = p > *at;
	*at = p;
	return any;
}

bool procfs_stat(const char *text, size_t len, struct procfs_stat *out)
{
	const char *end = text + len;
	const char *open = len ? memchr(text, '(', len) : NULL;
	const char *close = open ? memrchr(open, ')', (size_t)(end - open)) : NULL;
	if (!close || end - close < 4 || close[1] != ' ')
		return false;
	size_t n = (size_t)(close - open - 1);
	if (n > sizeof out->name - 1)
		n = sizeof out->name - 1;
	memcpy(out->name, open + 1, n);
	out->name[n] = '\0';
	out->state = close[2];
	const char *at = close + 3;
	for (unsigned field = STAT_PARENT; field <= STAT_START; field++) {
		uint64_t value;
		if (at >= end || *at++ != ' ')
			return false;
		bool negative = at < end && *at == '-';
		at += negative;
		if (!number(&at, end, &value))
			return false;
		if (field == STAT_PARENT)
			out->parent = (uint32_t)value;
		else if (field == STAT_FLAGS)
			out->flags = (uint32_t)value;
		else if (field == STAT_START)
			out->start = value;
	}
	return true;
}

bool procfs_uid(const char *text, size_t len, uint32_t *uid)
{
	/* The name stands in the first line; newlines in it are escaped there. */
	const char *line = memmem(text, len, "\nUid:\t", 6);
	uint64_t value;
	if (!line)
		return false;
	line += 6;
	if (!number(&line, text + len, &value) || value > UINT32_MAX)
		return false;
	*uid = (uint32_t)value;
	return true;
}

/* ---- containers ---------------------------------------------------------------------------------- */

static bool is_hex(char c)
{
	return (c >= '0' && c <= '9') || (c >= 'a' && c <= 'f');
}

/* 64 hex digits that stand alone in the component: docker-ID.scope, cri-containerd-ID.scope, ID. */
static const char *digits_of(const char *part, size_t len)
{
	size_t run = 0;
	for (size_t i = 0; i <= len; i++) {
		if (i < len && is_hex(part[i])) {
			run++;
			continue;
		}
		if (run == CONTAINER_DIGITS)
			return part + i - run;
		run = 0;
	}
	return NULL;
}

static bool ends_with(const char *part, size_t len, const char *end)
{
	size_t n = strlen(end);
	return len > n && !memcmp(part + len - n, end, n);
}

static void keep(char *out, size_t cap, const char *text, size_t len)
{
	size_t n = len < cap - 1 ? len : cap - 1;
	memcpy(out, text, n);
	out[n] = '\0';
}

/* One path of a cgroup. True when it names a container, which goes before any unit. */
static bool container_of(const char *path, size_t len, char *out, size_t cap)
{
	bool after_lxc = false;
	for (size_t at = 0, n; at < len; at += n + 1) {
		const char *part = path + at;
		const char *slash = memchr(part, '/', len - at);
		n = slash ? (size_t)(slash - part) : len - at;
		const char *digits = digits_of(part, n);
		if (digits) {
			keep(out, cap, digits, CONTAINER_SHOWN);
			return true;
		}
		if (after_lxc && n) {
			keep(out, cap, part, n);
			return true;
		}
		after_lxc = n == 3 && !memcmp(part, "lxc", 3);
		if (n > 12 && !memcmp(part, "lxc.payload.", 12)) {
			keep(out, cap, part + 12, n - 12);
			return true;
		}
		/* The innermost unit; slices only hold others. */
		if (ends_with(part, n, ".service") || ends_with(part, n, ".scope"))
			keep(out, cap, part, n);
	}
	return false;
}

void procfs_container(const char *text, size_t len, char *out, size_t cap)
{
	*out = '\0';
	for (size_t at = 0, n; at < len; at += n + 1) {
		const char *line = text + at;
		const char *newline = memchr(line, '\n', len - at);
		n = newline ? (size_t)(newline - line) : len - at;
		const char *first = memchr(line, ':', n);
		const char *path = first ? memchr(first + 1, ':', n - (size_t)(first + 1 - line)) : NULL;
		if (path && container_of(path + 1, n - (size_t)(path + 1 - line), out, cap))
			return;
	}
}

/* ---- environment --------------------------------------------------------------------------------- */

static size_t name_length(const char *text, size_t len)
{
	size_t n = 0;
	while (n < len && n <= ENV_NAME_MAX &&
	       ((text[n] >= 'A' && text[n] <= 'Z') || (text[n] >= 'a' && text[n] <= 'z') || text[n] == '_' ||
	        (n && text[n] >= '0' && text[n] <= '9')))
		n++;
	return n && n < len && n <= ENV_NAME_MAX && text[n] == '=' ? n : 0;
}

size_t procfs_environment(char *text, size_t len)
{
	size_t out = 0;
	for (size_t at = 0, n; at < len; at += n + 1) {
		n = strnlen(text + at, len - at);
		size_t name = name_length(text + at, n);
		if (!name)
			continue;
		memmove(text + out, text + at, name);
		out += name;
		text[out++] = '\0';
	}
	explicit_bzero(text + out, len - out);
	return out;
}

/* ---- mounts -------------------------------------------------------------------------------------- */

bool procfs_mount_type(const char *text, size_t len, uint64_t id, char *out, size_t cap)
{
	const char *end = text + len;
	for (const char *line = text; line < end;) {
		const char *newline = memchr(line, '\n', (size_t)(end - line));
		const char *stop = newline ? newline : end, *at = line;
		uint64_t value;
		line = stop + 1;
		if (!number(&at, stop, &value) || value != id)
			continue;
		const char *type = memmem(at, (size_t)(stop - at), " - ", 3);
		if (!type)
			return false;
		type += 3;
		const char *blank = memchr(type, ' ', (size_t)(stop - type));
		keep(out, cap, type, (size_t)((blank ? blank : stop) - type));
		return true;
	}
	return false;
}

/* ---- packages ------------------------------------------------------------------------------------ */

bool procfs_maps_package(const char *line, size_t len, struct procfs_package *out)
{
	static const char *const folders[] = {"/site-packages/", "/dist-packages/"};
	const char *path = len ? memchr(line, '/', len) : NULL; /* nothing before the path has a '/' */
	const char *end = line + len, *behind = NULL;
	for (size_t i = 0; path && !behind && i < sizeof folders / sizeof *folders; i++) {
		size_t n = strlen(folders[i]);
		behind = memmem(path, (size_t)(end - path), folders[i], n);
		behind = behind ? behind + n : NULL;
	}
	if (!behind || behind == end)
		return false;
	const char *slash = memchr(behind, '/', (size_t)(end - behind));
	const char *dot = slash ? NULL : memchr(behind, '.', (size_t)(end - behind));
	const char *stop = slash ? slash : dot ? dot : end;
	/* Wheels keep libraries beside the package, in "NAME.libs" and "nvidia". */
	if (slash && ends_with(behind, (size_t)(slash - behind), ".libs"))
		stop -= 5;
	*out = (struct procfs_package){.path = path,
	                               .path_len = (size_t)((slash ? slash : end) - path),
	                               .name = behind,
	                               .name_len = (size_t)(stop - behind)};
	return out->name_len > 0;
}
