#include "core/spool/place.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "core/base/file.h"
#include "core/platform/platform.h"

#define LOCK_TRIES 20u
#define LOCK_WAIT_US 100000
#define NAMES_TRIED 1000u /* of one second */

/* ---- the directory ---------------------------------------------------------------------------------- */

/* With all that is missing above it; a new name is on disk only when its directory is. */
static void directory_make(const char *path)
{
	char part[PATH_MAX];
	size_t len = strlen(path);
	memcpy(part, path, len + 1);
	for (size_t i = 1; i <= len; i++) {
		if (part[i] != '/' && part[i])
			continue;
		char was = part[i];
		part[i] = '\0';
		if (!mkdir(part, 0700))
			sense_file_sync_parent(part);
		part[i] = was;
	}
}

static enum sense_status directory_open(struct sense_place *place, bool make, sense_error *err)
{
	struct stat st;
	if (make && access(place->dir, F_OK) && errno == ENOENT)
		directory_make(place->dir);
	place->fd = open(place->dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (place->fd < 0 || fstat(place->fd, &st))
		return sense_fail_errno(err, "spool", "%s (spool.dir)", place->dir);
	if (st.st_uid != geteuid())
		return sense_fail(err, SENSE_E_CONFIG, "spool",
		                  "%s (spool.dir) belongs to user %u, not to user %u who would use it",
		                  place->dir, (unsigned)st.st_uid, (unsigned)geteuid());
	if (st.st_mode & 077 && fchmod(place->fd, 0700))
		return sense_fail_errno(err, "spool", "%s (spool.dir): cannot close it to others",
		                        place->dir);
	return SENSE_OK;
}

static enum sense_status lock_refused(const struct sense_place *place, bool held, sense_error *err)
{
	struct flock holder = {.l_type = F_WRLCK, .l_whence = SEEK_SET};
	if (!held)
		return sense_fail_errno(err, "spool", "cannot lock %s/lock", place->dir);
	if (fcntl(place->lock, F_GETLK, &holder) || holder.l_type == F_UNLCK)
		holder.l_pid = 0;
	if (holder.l_pid > 0)
		return sense_fail(err, SENSE_E_LIMIT, "spool", "%s is in use by process %d", place->dir,
		                  (int)holder.l_pid);
	/* It has just ended, or lives in another pid namespace. */
	return sense_fail(err, SENSE_E_LIMIT, "spool", "%s is in use by another process", place->dir);
}

/*
 * Who only looks takes what he gets. An agent waits a little: `sense-agent findings` has the lock for
 * moments, and an agent that is ending may have it for one more.
 */
static enum sense_status lock_take(struct sense_place *place, bool wait, sense_error *err)
{
	struct flock whole = {.l_type = F_WRLCK, .l_whence = SEEK_SET};
	place->lock = openat(place->fd, "lock", O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK, 0600);
	if (place->lock < 0)
		return sense_fail_errno(err, "spool", "%s/lock", place->dir);
	for (unsigned i = 0; fcntl(place->lock, F_SETLK, &whole); i++) {
		bool held = errno == EACCES || errno == EAGAIN;
		if (!held || !wait || i == LOCK_TRIES)
			return lock_refused(place, held, err);
		usleep(LOCK_WAIT_US);
	}
	return SENSE_OK;
}
enum sense_status sense_place_open(struct sense_place *place, const char *dir, bool make, sense_error *err)
{
	*place = (struct sense_place){.fd = -1, .lock = -1};
	if (!*dir || strlen(dir) >= sizeof place->dir)
		return sense_fail(err, SENSE_E_CONFIG, "spool", "spool.dir: %s",
		                  *dir ? "the path is too long" : "no directory is named");
	memcpy(place->dir, dir, strlen(dir) + 1);
	enum sense_status status = directory_open(place, make, err);
	if (!status)
		status = lock_take(place, make, err);
	if (status)
		sense_place_close(place);
	return status;
}

void sense_place_close(struct sense_place *place)
{
	if (place->lock >= 0)
		close(place->lock);
	if (place->fd >= 0)
		close(place->fd);
	place->lock = place->fd = -1;
}

/* ---- what lies in it -------------------------------------------------------------------------------- */

bool sense_place_has(const struct sense_place *place, const char *name)
{
	struct stat st;
	return !fstatat(place->fd, name, &st, AT_SYMLINK_NOFOLLOW);
}

enum sense_status sense_place_set_aside(const struct sense_place *place, const char *name, const char *stem,
                                        char as[64], sense_error *err)
{
	struct tm utc;
	char when[32];
	time_t now = time(NULL);
	strftime(when, sizeof when, "%Y%m%dT%H%M%SZ", gmtime_r(&now, &utc));
	snprintf(as, 64, "%.16s.unreadable-%s", stem, when);
	for (unsigned i = 1; sense_place_has(place, as) && i < NAMES_TRIED; i++)
		snprintf(as, 64, "%.16s.unreadable-%s-%u", stem, when, i);
	if (sense_platform_rename_new(place->fd, name, as) && !fsync(place->fd))
		return SENSE_OK;
	return sense_fail_errno(err, "spool", "cannot set %s/%s aside as %s", place->dir, name, as);
}

unsigned sense_place_aside(const struct sense_place *place, const char *stem)
{
	unsigned count = 0;
	char prefix[40];
	snprintf(prefix, sizeof prefix, "%.16s.unreadable-", stem);
	int fd = openat(place->fd, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	DIR *dir = fd >= 0 ? fdopendir(fd) : NULL;
	if (!dir) {
		if (fd >= 0)
			close(fd);
		return 0;
	}
	for (const struct dirent *entry; (entry = readdir(dir));)
		count += !strncmp(entry->d_name, prefix, strlen(prefix));
	closedir(dir);
	return count;
}
