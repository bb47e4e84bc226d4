/*
 * What processes use: GPUs by the device files that they hold open, packages of Python by the files mapped,
 * packages of Node.js by the folders above the script.
 *
 * Folders of users are only looked at as far as the kernel has them in its cache already (openat2(2),
 * RESOLVE_CACHED): what a program has loaded is there, and a file system that hangs is never asked.
 */
#include <errno.h>
#include <fcntl.h>
#include <linux/openat2.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "sensor.h"

enum { SEARCHES = 3, DESCRIPTORS_MAX = 4096, MAPS_MAX = 1 << 20, FOLDERS_MAX = 16, NAME_MAX_LEN = 96 };

/* ---- names of the catalogue ------------------------------------------------------------------------ */

/* PEP 503 takes '-', '_' and '.' for the same; folders are called with '_'. */
static void fold(char *out, size_t cap, const char *name, size_t len)
{
	size_t n = len < cap - 1 ? len : cap - 1;
	for (size_t i = 0; i < n; i++) {
		char c = name[i];
		out[i] = c >= 'A' && c <= 'Z' ? (char)(c + ('a' - 'A')) : c == '-' || c == '.' ? '_' : c;
	}
	out[n] = '\0';
}

static void name_add(struct package_names *names, const char *name)
{
	if (names->count == PACKAGES_MAX || strchr(name, '*') || !*name || strlen(name) >= NAME_MAX_LEN)
		return;
	names->names[names->count] = strdup(name);
	names->count += names->names[names->count] != NULL;
}

static bool row_take(void *self, const struct sense_row *row)
{
	struct sensor *sensor = self;
	const char *ecosystem = "", *name = "";
	for (unsigned i = 0; row->columns[i]; i++) {
		if (!strcmp(row->columns[i], "ecosystem"))
			ecosystem = row->fields[i];
		else if (!strcmp(row->columns[i], "name"))
			name = row->fields[i];
	}
	if (!strcmp(ecosystem, "pypi"))
		name_add(&sensor->python, name);
	else if (!strcmp(ecosystem, "npm"))
		name_add(&sensor->javascript, name);
	return true;
}

enum sense_status inventory_load(struct sensor *sensor, sense_error *err)
{
	return sensor->host->catalogue("sdk", row_take, sensor, err);
}

static void names_free(struct package_names *names)
{
	for (unsigned i = 0; i < names->count; i++)
		free(names->names[i]);
	names->count = 0;
}

void inventory_free(struct sensor *sensor)
{
	names_free(&sensor->python);
	names_free(&sensor->javascript);
}

/* The catalogue's name of what is imported by that one; NULL: it is not in it. */
static const char *python_name(const struct sensor *sensor, const char *name, size_t len)
{
	static const char *const others[][2] = {{"llama_cpp", "llama_cpp_python"},
	                                        {"jaxlib", "jax"},
	                                        {"faiss", "faiss_cpu"},
	                                        {"whisper", "openai_whisper"}};
	char wanted[NAME_MAX_LEN], have[NAME_MAX_LEN];
	fold(wanted, sizeof wanted, name, len);
	for (size_t i = 0; i < sizeof others / sizeof *others; i++)
		if (!strcmp(others[i][0], wanted))
			snprintf(wanted, sizeof wanted, "%s", others[i][1]);
	for (unsigned i = 0; i < sensor->python.count; i++) {
		fold(have, sizeof have, sensor->python.names[i], strlen(sensor->python.names[i]));
		if (!strcmp(have, wanted))
			return sensor->python.names[i];
	}
	return NULL;
}

/* ---- telling --------------------------------------------------------------------------------------- */

static uint64_t hash_more(uint64_t hash, const char *text)
{
	while (*text)
		hash = (hash ^ (unsigned char)*text++) * 0x100000001b3u;
	return (hash ^ 0xff) * 0x100000001b3u;
}

/* Once for each (executable, package). */
static bool is_new(struct sensor *sensor, const char *exe, const char *name)
{
	uint64_t hash = hash_more(hash_more(0xcbf29ce484222325u, exe), name);
	uint64_t *slot = &sensor->seen[(hash >> 20) % SEEN_MAX];
	bool new = *slot != hash;
	*slot = hash;
	return new;
}

static void item_tell(const struct sensor *sensor, uint32_t pid, const char *kind, const char *name,
                      const char *path)
{
	const struct look *look = &sensor->look;
	const char *slash = strrchr(look->path, '/');
	const struct sense_fact facts[] = {
	    {.field = "inventory.kind", .type = SENSE_FACT_TEXT, .text = kind},
	    {.field = "inventory.app", .type = SENSE_FACT_TEXT, .text = slash ? slash + 1 : look->path},
	    {.field = "inventory.name", .type = SENSE_FACT_TEXT, .text = name},
	    {.field = "inventory.path", .type = SENSE_FACT_TEXT, .text = path},
	};
	sensor->host->tell("inventory", pid, facts, sizeof facts / sizeof *facts);
}

/* ---- GPUs ------------------------------------------------------------------------------------------ */

/* Devices of computation: NVIDIA's, AMD's (kfd), and render nodes of all others. Screens (card0) are
 * everybody's. */
static bool is_gpu(const char *path)
{
	return !strncmp(path, "/dev/nvidia", 11) || !strcmp(path, "/dev/kfd") ||
	       !strncmp(path, "/dev/dri/renderD", 16);
}

static bool folder_has(const char *folder, const char *prefix)
{
	DIR *dir = opendir(folder);
	bool found = false;
	struct dirent *entry;
	while (dir && !found && (entry = readdir(dir)))
		found = !strncmp(entry->d_name, prefix, strlen(prefix));
	if (dir)
		closedir(dir);
	return found;
}

/* Where there is no GPU nobody can hold one. */
void inventory_begin(struct sensor *sensor)
{
	sensor->gpus =
	    folder_has("/dev", "nvidia") || folder_has("/dev", "kfd") || folder_has("/dev/dri", "renderD");
}

static void gpu_search(struct sensor *sensor, struct known *known)
{
	char path[256];
	int fd = openat(sensor->look.dir, "fd", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	DIR *dir = fd >= 0 ? fdopendir(fd) : NULL;
	struct dirent *entry;
	for (unsigned i = 0; dir && i < DESCRIPTORS_MAX && (entry = readdir(dir)); i++) {
		ssize_t n = readlinkat(fd, entry->d_name, path, sizeof path - 1);
		struct statx st;
		path[n > 0 ? n : 0] = '\0';
		if (!is_gpu(path) || statx(fd, entry->d_name, AT_STATX_DONT_SYNC, STATX_TYPE, &st) ||
		    !S_ISCHR(st.stx_mode))
			continue;
		known->flags |= KNOWN_GPU;
		item_tell(sensor, known->pid, "gpu", strrchr(path, '/') + 1, path);
		break;
	}
	if (dir)
		closedir(dir);
	else if (fd >= 0)
		close(fd);
}

/* ---- Python ---------------------------------------------------------------------------------------- */

static void map_line(struct sensor *sensor, const struct known *known, const char *line, size_t len,
                     const char **last)
{
	struct procfs_package package;
	char path[PATH_MAX];
	if (!procfs_maps_package(line, len, &package) || package.path_len >= sizeof path)
		return;
	const char *name = python_name(sensor, package.name, package.name_len);
	if (!name || name == *last) /* a library's sections follow one another */
		return;
	*last = name;
	if (!is_new(sensor, sensor->look.path, name))
		return;
	memcpy(path, package.path, package.path_len);
	path[package.path_len] = '\0';
	item_tell(sensor, known->pid, "package", name, path);
}

static void python_search(struct sensor *sensor, const struct known *known)
{
	const char *last = NULL;
	char *text = sensor->maps;
	size_t have = 0, total = 0;
	int fd = openat(sensor->look.dir, "maps", O_RDONLY | O_CLOEXEC);
	while (fd >= 0 && total < MAPS_MAX) {
		ssize_t n = read(fd, text + have, sizeof sensor->maps - have);
		if (n < 0 && errno == EINTR)
			continue;
		if (n <= 0)
			break;
		have += (size_t)n, total += (size_t)n;
		size_t at = 0;
		for (char *end; (end = memchr(text + at, '\n', have - at)); at = (size_t)(end + 1 - text))
			map_line(sensor, known, text + at, (size_t)(end - text) - at, &last);
		if (!at)
			at = have; /* a line longer than any path */
		memmove(text, text + at, have - at);
		have -= at;
	}
	if (fd >= 0)
		close(fd);
}

/* ---- Node.js --------------------------------------------------------------------------------------- */

static int open_cached(int dir, const char *path, uint64_t resolve)
{
	struct open_how how = {.flags = O_PATH | O_CLOEXEC,
	                       .resolve = resolve | RESOLVE_CACHED | RESOLVE_NO_MAGICLINKS};
	return (int)syscall(SYS_openat2, dir, path, &how, sizeof how);
}

/* The first argument that is no option; relative ones are below the directory it works in. */
static bool script_path(const struct look *look, char *out, size_t cap)
{
	const char *argv = look->process.argv;
	size_t len = look->process.argv_len;
	if (!argv)
		return false;
	for (size_t at = strlen(argv) + 1; at < len; at += strlen(argv + at) + 1) {
		const char *argument = argv + at;
		if (*argument == '-' || !*argument)
			continue;
		int n = *argument == '/' ? snprintf(out, cap, "%s", argument)
		                         : snprintf(out, cap, "%s/%s", look->cwd, argument);
		return n > 0 && (size_t)n < cap;
	}
	return false;
}

static void modules_search(struct sensor *sensor, const struct known *known, int root, const char *folder)
{
	char path[PATH_MAX + NAME_MAX_LEN];
	int modules = open_cached(root, folder, RESOLVE_IN_ROOT);
	for (unsigned i = 0; modules >= 0 && i < sensor->javascript.count; i++) {
		const char *name = sensor->javascript.names[i];
		int fd = open_cached(modules, name, RESOLVE_BENEATH);
		if (fd < 0)
			continue;
		close(fd);
		if (!is_new(sensor, sensor->look.path, name))
			continue;
		snprintf(path, sizeof path, "%s/%s", folder, name);
		item_tell(sensor, known->pid, "package", name, path);
	}
	if (modules >= 0)
		close(modules);
}

/* Commands are links to scripts: the folders above where it really is count. */
static bool script_resolve(int root, char *path, size_t cap)
{
	char link[32];
	int fd = open_cached(root, path, RESOLVE_IN_ROOT);
	if (fd < 0)
		return false;
	snprintf(link, sizeof link, "/proc/self/fd/%d", fd);
	ssize_t n = readlink(link, path, cap - 1);
	close(fd);
	path[n > 0 ? n : 0] = '\0';
	return *path == '/';
}

static void javascript_search(struct sensor *sensor, const struct known *known)
{
	char path[PATH_MAX], folder[PATH_MAX + 16];
	int root = openat(sensor->look.dir, "root", O_PATH | O_DIRECTORY | O_CLOEXEC);
	if (root < 0)
		return;
	bool found = script_path(&sensor->look, path, sizeof path) && script_resolve(root, path, sizeof path);
	for (unsigned i = 0; found && i < FOLDERS_MAX; i++) {
		char *slash = strrchr(path, '/');
		if (!slash)
			break;
		*slash = '\0';
		snprintf(folder, sizeof folder, "%s/node_modules", path);
		modules_search(sensor, known, root, folder);
	}
	close(root);
}

/* ---- a process ------------------------------------------------------------------------------------- */

static bool called(const char *path, const char *name)
{
	const char *slash = strrchr(path, '/');
	return !strncmp(slash ? slash + 1 : path, name, strlen(name));
}

void inventory_of(struct sensor *sensor, struct known *known)
{
	struct look *look = &sensor->look;
	bool gpu = sensor->gpus && !(known->flags & KNOWN_GPU), packages = known->searched < SEARCHES;
	if (!gpu && !packages)
		return;
	known->searched += packages;
	if (look_at(look, sensor->proc, known->pid, &sensor->users) != LOOK_SEEN)
		return;
	if (gpu)
		gpu_search(sensor, known);
	if (packages &&
	    (called(look->path, "python") || called(look->path, "pypy") || called(look->path, "uwsgi")))
		python_search(sensor, known);
	else if (packages &&
	         (called(look->path, "node") || called(look->path, "bun") || called(look->path, "deno")))
		javascript_search(sensor, known);
	look_end(look);
}
