#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "core/base/file.h"
#include "core/proc/generation.h"

enum sense_status sense_last_good_write(const char *path, const struct sense_bundle *bundle, sense_error *err)
{
	char temp[PATH_MAX];
	if (snprintf(temp, sizeof temp, "%s.XXXXXX", path) >= (int)sizeof temp)
		return sense_fail(err, SENSE_E_LIMIT, "policy", "policies.last_good: the path is too long");
	int fd = mkostemp(temp, O_CLOEXEC); /* mode 0600 */
	if (fd < 0)
		return sense_fail_errno(err, "policy", "cannot keep the last good policies as %s", path);
	bool good = sense_file_write_all(fd, bundle->block.data, bundle->block.len) && !fsync(fd);
	good = good && !rename(temp, path) && sense_file_sync_parent(path);
	enum sense_status status =
	    good ? SENSE_OK
	         : sense_fail_errno(err, "policy", "cannot keep the last good policies as %s", path);
	close(fd);
	if (status)
		unlink(temp);
	return status;
}

static enum sense_status read_whole(int fd, struct sense_buf *out, sense_error *err)
{
	char piece[65536];
	for (;;) {
		ssize_t got = read(fd, piece, sizeof piece);
		if (got < 0 && errno == EINTR)
			continue;
		if (got < 0)
			return sense_fail_errno(err, "policy", "read");
		if (!got)
			break;
		sense_buf_add(out, piece, (size_t)got);
	}
	return out->failed ? sense_fail(err, SENSE_E_LIMIT, "policy", "too large") : SENSE_OK;
}

enum sense_status sense_last_good_read(const char *path, struct sense_bundle *out, uint64_t *saved_us,
                                       sense_error *err)
{
	struct stat st;
	struct sense_buf data;
	enum sense_status status;
	sense_error why;
	sense_buf_init(&data, SENSE_BUNDLE_MAX);
	int fd = open(path, O_RDONLY | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK);
	if (fd < 0 || fstat(fd, &st)) {
		status = sense_fail_errno(err, "policy", "%s", path);
		goto out;
	}
	bool ours = S_ISREG(st.st_mode) && (st.st_uid == geteuid() || !st.st_uid) && !(st.st_mode & 022);
	if (!ours) {
		status = sense_fail(err, SENSE_E_IO, "policy",
		                    "%s: not a file that only this user or root can write", path);
		goto out;
	}
	status = read_whole(fd, &data, &why);
	if (!status)
		status = sense_bundle_verify(out, data.data, data.len, &why);
	if (status)
		sense_fail(err, status, "policy", "%s: %s", path, why.message);
	*saved_us = (uint64_t)st.st_mtim.tv_sec * 1000000 + (uint64_t)st.st_mtim.tv_nsec / 1000;
out:
	if (fd >= 0)
		close(fd);
	sense_buf_fini(&data);
	return status;
}
