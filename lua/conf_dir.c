#include "lua/conf_dir.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "core/base/log.h"
#include "lua/conf_file.h"

/* ---- who may write to it ----------------------------------------------------------------------- */

/* What is wrong with it in the eyes of root; NULL: nothing. */
static const char *untrusted(const struct stat *st)
{
	bool shared = S_ISDIR(st->st_mode) && st->st_mode & S_ISVTX;
	if (st->st_uid && st->st_uid != geteuid())
		return "belongs to another user; chown root";
	if (st->st_mode & (S_IWGRP | S_IWOTH) && !shared)
		return "others can write to it; chmod go-w";
	return NULL;
}

/* The resolved path upwards: who can write to a directory can put another file in the place of this one. */
static enum sense_status parents_check(char *path, sense_error *err)
{
	struct stat st;
	for (char *slash = strrchr(path, '/'); slash; slash = strrchr(path, '/')) {
		slash[slash == path] = '\0';
		if (stat(path, &st))
			return sense_fail_errno(err, "config", "%s", path);
		const char *wrong = untrusted(&st);
		if (wrong)
			return sense_fail(err, SENSE_E_CONFIG, "config", "refused as root: %s: %s", path,
			                  wrong);
		if (!path[1])
			break;
	}
	return SENSE_OK;
}

/* Of an open file or directory whose resolved path this is; the path is used up. */
static enum sense_status trust_check(int fd, char *path, sense_error *err)
{
	struct stat st;
	if (geteuid())
		return SENSE_OK;
	if (fstat(fd, &st))
		return sense_fail_errno(err, "config", "%s", path);
	const char *wrong = untrusted(&st);
	if (wrong)
		return sense_fail(err, SENSE_E_CONFIG, "config", "refused as root: %s: %s", path, wrong);
	return parents_check(path, err);
}

/*
 * Opens what the path leads to. Resolved first and opened without a further link, so that what is judged is
 * what is read. O_NONBLOCK: a FIFO would wait for a writer.
 */
static int trusted_open(const char *path, int flags, sense_error *err)
{
	char real[PATH_MAX];
	int fd = -1;
	if (realpath(path, real))
		fd = open(real, O_RDONLY | O_CLOEXEC | O_NOCTTY | O_NONBLOCK | O_NOFOLLOW | flags);
	if (fd < 0) {
		int code = errno;
		sense_fail_errno(err, "config", "cannot read it");
		errno = code;
		return -1;
	}
	if (trust_check(fd, real, err)) {
		close(fd);
		errno = EPERM;
		return -1;
	}
	return fd;
}

/* ---- one file ------------------------------------------------------------------------------------ */

struct files {
	struct sense_conf *conf;
	struct sense_report *report;
};

static void complain(struct files *files, const char *path, const char *message)
{
	struct sense_problem problem = {.file = path, .message = message};
	sense_report_add(files->report, &problem);
}

/* Whether it is a file that need not be, or not for this user. */
static bool left_out(const char *path, bool optional)
{
	if (!optional || (errno != ENOENT && errno != ENOTDIR && errno != EACCES))
		return false;
	if (errno == EACCES)
		sense_log(SENSE_LOG_WARN, "config", "%s is left out: this user may not read it", path);
	return true;
}

static void file_load(struct files *files, const char *path, bool optional)
{
	sense_error err;
	unsigned before = files->report->count;
	int fd = trusted_open(path, 0, &err);
	if (fd < 0) {
		if (!left_out(path, optional))
			complain(files, path, err.message);
		return;
	}
	if (sense_conf_fd_load(files->conf, path, fd, files->report, &err) && files->report->count == before)
		complain(files, path, err.message);
	close(fd);
}

/* ---- the directory --------------------------------------------------------------------------------- */

bool sense_conf_dropins_dir(const char *file, char *out, size_t cap)
{
	size_t len = strlen(file);
	if (len > 4 && !strcmp(file + len - 4, ".lua"))
		len -= 4;
	return snprintf(out, cap, "%.*s.d", (int)len, file) < (int)cap;
}

static bool dropin_name(const char *name)
{
	size_t len = strlen(name);
	return *name != '.' && len > 4 && !strcmp(name + len - 4, ".lua");
}

static int by_bytes(const void *a, const void *b)
{
	return strcmp(*(char *const *)a, *(char *const *)b);
}

/* Names of the drop-ins, ordered, to be freed. -1: there are too many, or no memory for them. */
static int names_read(DIR *dir, char *names[SENSE_CONF_DROPINS_MAX], sense_error *err)
{
	int count = 0;
	for (const struct dirent *entry; (entry = readdir(dir));) {
		if (!dropin_name(entry->d_name))
			continue;
		bool room = count < SENSE_CONF_DROPINS_MAX;
		char *name = room ? strdup(entry->d_name) : NULL;
		if (name) {
			names[count++] = name;
			continue;
		}
		while (count)
			free(names[--count]);
		if (room)
			sense_fail(err, SENSE_E_MEMORY, "config", "no memory for its files");
		else
			sense_fail(err, SENSE_E_LIMIT, "config", "more than %d files (*.lua); none was read",
			           SENSE_CONF_DROPINS_MAX);
		return -1;
	}
	qsort(names, (size_t)count, sizeof *names, by_bytes);
	return count;
}

static void dropins_load(struct files *files, const char *main_file, bool optional)
{
	char path[PATH_MAX], *names[SENSE_CONF_DROPINS_MAX];
	sense_error err;
	if (!sense_conf_dropins_dir(main_file, path, sizeof path)) {
		complain(files, main_file, "the path of its drop-ins is too long");
		return;
	}
	int fd = trusted_open(path, O_DIRECTORY, &err);
	if (fd < 0) {
		/* Most have none; one that cannot be read is told by its own name, not passed over. */
		bool absent = errno == ENOENT || errno == ENOTDIR;
		if (!absent && !left_out(path, optional))
			complain(files, path, err.message);
		return;
	}
	DIR *dir = fdopendir(fd);
	int count = dir ? names_read(dir, names, &err) : -1;
	if (!dir)
		sense_fail_errno(&err, "config", "cannot read it");
	if (count < 0)
		complain(files, path, err.message);
	size_t len = strlen(path);
	for (int i = 0; i < count; i++) {
		if (snprintf(path + len, sizeof path - len, "/%s", names[i]) < (int)(sizeof path - len))
			file_load(files, path, false);
		else
			complain(files, names[i], "its path is too long");
		free(names[i]);
	}
	if (dir)
		closedir(dir);
	else
		close(fd);
}

enum sense_status sense_conf_files_load(struct sense_conf *conf, const char *file,
                                        struct sense_report *report, sense_error *err)
{
	struct files files = {conf, report};
	unsigned before = report->count;
	const char *main_file = file ? file : conf->spec->file;
	file_load(&files, main_file, !file);
	dropins_load(&files, main_file, !file);
	unsigned found = report->count - before;
	if (!found)
		return SENSE_OK;
	return sense_fail(err, SENSE_E_CONFIG, "config", "%u problem%s in the configuration files", found,
	                  found == 1 ? "" : "s");
}

static bool set_one(struct sense_conf *conf, const char *set, struct sense_report *report)
{
	char name[64];
	sense_error why;
	const char *value = strchr(set, '=');
	snprintf(name, sizeof name, "%.*s", (int)(value - set), set);
	if (!sense_conf_set(conf, name, value + 1, "command line", &why))
		return true;
	sense_report_add(report, &(struct sense_problem){.key = name, .message = why.message});
	return false;
}

enum sense_status sense_conf_load(struct sense_conf *conf, const struct sense_conf_spec *spec,
                                  const struct sense_conf_given *given, struct sense_report *report,
                                  sense_error *err)
{
	enum sense_status status = sense_conf_init(conf, spec, err);
	if (status)
		return status;
	status = sense_conf_files_load(conf, given->file, report, err);
	enum sense_status environment = sense_conf_environment(conf, environ, report, err);
	status = status ? status : environment;
	for (unsigned i = 0; i < given->set_count; i++)
		if (!set_one(conf, given->sets[i], report))
			status = sense_fail(err, SENSE_E_CONFIG, "config", "the configuration is not valid");
	return status;
}
