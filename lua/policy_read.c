#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "lua/policy.h"
#include "proto/manifest.h"

void sense_policy_sources_init(struct sense_policy_sources *sources)
{
	memset(sources, 0, sizeof *sources);
	sense_arena_init(&sources->arena, SENSE_POLICY_TOTAL_MAX);
}

void sense_policy_sources_fini(struct sense_policy_sources *sources)
{
	sense_arena_fini(&sources->arena);
	free(sources->items);
	memset(sources, 0, sizeof *sources);
}

static enum sense_status grow(struct sense_policy_sources *sources, sense_error *err)
{
	if (sources->count < sources->cap)
		return SENSE_OK;
	if (sources->count >= SENSE_POLICY_FILES_MAX)
		return sense_fail(err, SENSE_E_LIMIT, "policy", "more than %d policy files",
				  SENSE_POLICY_FILES_MAX);
	unsigned cap = sources->cap ? sources->cap * 2 : 32;
	struct sense_policy_source *items = realloc(sources->items, cap * sizeof *items);
	if (!items)
		return sense_fail(err, SENSE_E_MEMORY, "policy", "no memory for policies");
	sources->items = items;
	sources->cap = cap;
	return SENSE_OK;
}

enum sense_status sense_policy_source_add(struct sense_policy_sources *sources, const char *file,
					  const char *name, const char *text, size_t len, sense_error *err)
{
	enum sense_status status = grow(sources, err);
	if (status)
		return status;
	if (len > SENSE_POLICY_BYTES_MAX)
		return sense_fail(err, SENSE_E_LIMIT, "policy", "%s: larger than %u KiB", file,
				  SENSE_POLICY_BYTES_MAX >> 10);
	struct sense_policy_source source = {
	    .file = sense_arena_strndup(&sources->arena, file, strlen(file)),
	    .name = sense_arena_strndup(&sources->arena, name, strlen(name)),
	    .text = sense_arena_strndup(&sources->arena, text, len),
	    .len = len,
	};
	if (!source.file || !source.name || !source.text)
		return sense_fail(err, SENSE_E_LIMIT, "policy",
				  "%s: all policies together are larger than %u MiB", file,
				  SENSE_POLICY_TOTAL_MAX >> 20);
	sources->items[sources->count++] = source;
	return SENSE_OK;
}

enum sense_status sense_policy_source_params(struct sense_policy_sources *sources, const void *params, size_t len,
					     sense_error *err)
{
	if (sources->params || len > SENSE_MANIFEST_PARAMS_MAX)
		return sense_fail(err, SENSE_E_FORMAT, "policy", "settings of rules that are no settings");
	sources->params = (const uint8_t *)sense_arena_strndup(&sources->arena, params, len);
	sources->params_len = len;
	return sources->params ? SENSE_OK : sense_fail(err, SENSE_E_MEMORY, "policy", "no memory for settings of rules");
}

static bool ends_with(const char *text, const char *end)
{
	size_t len = strlen(text), tail = strlen(end);
	return len >= tail && !strcmp(text + len - tail, end);
}

/* Owned by the caller; NULL: *failed says why. O_NONBLOCK: a fifo put in place of a policy must not hold us up before fstat can refuse it. */
static char *read_whole(const char *path, size_t *len, enum sense_status *failed, sense_error *err)
{
	struct stat st;
	enum sense_status status = SENSE_OK;
	char *data = NULL, *text = NULL;
	size_t have = 0;
	int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
	if (fd < 0 || fstat(fd, &st)) {
		status = sense_fail_errno(err, "policy", "cannot read %s", path);
		goto out;
	}
	if (!S_ISREG(st.st_mode)) {
		status = sense_fail(err, SENSE_E_IO, "policy", "%s is not a regular file", path);
		goto out;
	}
	data = malloc(SENSE_POLICY_BYTES_MAX + 1);
	if (!data) {
		status = sense_fail(err, SENSE_E_MEMORY, "policy", "no memory for %s", path);
		goto out;
	}
	while (have <= SENSE_POLICY_BYTES_MAX) {
		ssize_t got = read(fd, data + have, SENSE_POLICY_BYTES_MAX + 1 - have);
		if (got < 0 && errno == EINTR)
			continue;
		if (got < 0) {
			status = sense_fail_errno(err, "policy", "cannot read %s", path);
			goto out;
		}
		if (!got)
			break;
		have += (size_t)got;
	}
	text = data;
	*len = have;
	data = NULL;
out:
	if (fd >= 0)
		close(fd);
	free(data);
	*failed = status;
	return text;
}

static enum sense_status add_file(struct sense_policy_sources *sources, const char *path,
				  const char *relative, sense_error *err)
{
	char name[4096];
	size_t len = 0;
	enum sense_status status;
	snprintf(name, sizeof name, "%s", relative);
	if (ends_with(name, ".lua"))
		name[strlen(name) - 4] = '\0';
	char *text = read_whole(path, &len, &status, err);
	if (!text)
		return status;
	if (!ends_with(path, ".lua") && memchr(text, '\0', len)) {
		free(text); /* a capture, most likely: what the parser says of one helps nobody */
		return sense_fail(err, SENSE_E_CONFIG, "policy", "%s is not a policy: it is no text", path);
	}
	status = sense_policy_source_add(sources, path, name, text, len, err);
	free(text);
	return status;
}

static int visible(const struct dirent *entry)
{
	return entry->d_name[0] != '.';
}

/* By bytes: alphasort would follow the locale. */
static int by_name(const struct dirent **a, const struct dirent **b)
{
	return strcmp((*a)->d_name, (*b)->d_name);
}

static enum sense_status read_dir(struct sense_policy_sources *sources, const char *dir, size_t root_len,
				  unsigned depth, sense_error *err);

static enum sense_status read_entry(struct sense_policy_sources *sources, const char *dir, const char *entry,
				    size_t root_len, unsigned depth, sense_error *err)
{
	char path[4096];
	struct stat st;
	if ((size_t)snprintf(path, sizeof path, "%s/%s", dir, entry) >= sizeof path)
		return sense_fail(err, SENSE_E_LIMIT, "policy", "%s: path too long", dir);
	if (lstat(path, &st))
		return sense_fail_errno(err, "policy", "cannot read %s", path);
	if (S_ISDIR(st.st_mode))
		return read_dir(sources, path, root_len, depth + 1, err);
	if (!ends_with(entry, ".lua") || ends_with(entry, "_test.lua") != sources->tests)
		return SENSE_OK;
	return add_file(sources, path, path + root_len + 1, err);
}

static enum sense_status read_dir(struct sense_policy_sources *sources, const char *dir, size_t root_len,
				  unsigned depth, sense_error *err)
{
	struct dirent **entries;
	enum sense_status status = SENSE_OK;
	if (depth > SENSE_POLICY_DEPTH_MAX)
		return sense_fail(err, SENSE_E_LIMIT, "policy", "%s: nested more than %d deep", dir,
				  SENSE_POLICY_DEPTH_MAX);
	int count = scandir(dir, &entries, visible, by_name);
	if (count < 0)
		return sense_fail_errno(err, "policy", "cannot read %s", dir);
	for (int i = 0; i < count; i++) {
		if (!status)
			status = read_entry(sources, dir, entries[i]->d_name, root_len, depth, err);
		free(entries[i]);
	}
	free(entries);
	return status;
}

enum sense_status sense_policy_read(struct sense_policy_sources *sources, const char *path, sense_error *err)
{
	char root[4096];
	struct stat st;
	size_t len = strlen(path);
	while (len > 1 && path[len - 1] == '/')
		len--;
	if (len >= sizeof root)
		return sense_fail(err, SENSE_E_LIMIT, "policy", "path too long");
	memcpy(root, path, len);
	root[len] = '\0';
	if (stat(root, &st))
		return sense_fail_errno(err, "policy", "cannot read %s", root);
	if (S_ISDIR(st.st_mode))
		return read_dir(sources, root, len, 0, err);
	if (ends_with(root, "_test.lua") && !sources->tests)
		return sense_fail(err, SENSE_E_CONFIG, "policy", "%s holds tests of a policy: run it with `test`",
				  root);
	const char *slash = strrchr(root, '/');
	return add_file(sources, root, slash ? slash + 1 : root, err);
}
