#include "server/pki/place.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <openssl/crypto.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "core/base/file.h"
#include "core/platform/platform.h"

#define PASSPHRASE_MAX 1024u

static bool path_make(char out[PATH_MAX], const char *dir, const char *name)
{
	return snprintf(out, PATH_MAX, "%s/%s", dir, name) < PATH_MAX;
}

enum sense_status sense_ca_dir_make(const char *dir, sense_error *err)
{
	char part[PATH_MAX];
	size_t len = strlen(dir);
	if (!len || len >= sizeof part)
		return sense_fail(err, SENSE_E_CONFIG, "pki", "the directory's path is empty or too long");
	memcpy(part, dir, len + 1);
	for (size_t i = 1; i <= len; i++) {
		if (part[i] != '/' && part[i])
			continue;
		char was = part[i];
		part[i] = '\0';
		if (!mkdir(part, 0711))
			sense_file_sync_parent(part);
		else if (errno != EEXIST)
			return sense_fail_errno(err, "pki", "cannot make the directory %s", part);
		part[i] = was;
	}
	return SENSE_OK;
}

bool sense_ca_has(const char *dir, const char *name)
{
	char path[PATH_MAX];
	struct stat st;
	return path_make(path, dir, name) && !lstat(path, &st);
}

/* ---- reading ---------------------------------------------------------------------------------------- */

static enum sense_status mode_check(const char *path, enum sense_ca_file kind, const struct stat *st,
                                    sense_error *err)
{
	static const mode_t closed[] = {
	    [SENSE_CA_FILE_PUBLIC] = 022, [SENSE_CA_FILE_PRIVATE] = 077, [SENSE_CA_FILE_CREDENTIAL] = 037};
	if (!S_ISREG(st->st_mode))
		return sense_fail(err, SENSE_E_CONFIG, "pki", "%s is not a regular file", path);
	if (st->st_uid != geteuid() && st->st_uid != 0)
		return sense_fail(
		    err, SENSE_E_CONFIG, "pki",
		    "%s belongs to user %u, not to root or to user %u who would use it: chown it", path,
		    (unsigned)st->st_uid, (unsigned)geteuid());
	if (st->st_mode & closed[kind])
		return sense_fail(
		    err, SENSE_E_CONFIG, "pki",
		    "%s has mode %04o: others may %s it. Close it (chmod %s), and think about who had access",
		    path, (unsigned)st->st_mode & 07777, kind == SENSE_CA_FILE_PUBLIC ? "write" : "read",
		    kind == SENSE_CA_FILE_PUBLIC ? "0644" : "0600");
	if (st->st_size > (off_t)SENSE_CA_FILE_MAX)
		return sense_fail(err, SENSE_E_LIMIT, "pki", "%s is larger than %zu bytes", path,
		                  SENSE_CA_FILE_MAX);
	return SENSE_OK;
}

static bool read_all(int fd, char *out, size_t cap, size_t *len)
{
	*len = 0;
	while (*len < cap) {
		ssize_t got = read(fd, out + *len, cap - *len);
		if (got < 0 && errno == EINTR)
			continue;
		if (got < 0)
			return false;
		if (!got)
			break;
		*len += (size_t)got;
	}
	return true;
}

enum sense_status sense_ca_file_read(const char *path, enum sense_ca_file kind, char **text, size_t *len,
                                     sense_error *err)
{
	struct stat st;
	size_t have = 0;
	*text = NULL;
	enum sense_status status;
	int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY);
	if (fd < 0 && errno == ENOENT) {
		status = sense_fail(err, SENSE_E_NOTFOUND, "pki", "there is no %s", path);
		goto out;
	}
	if (fd < 0 || fstat(fd, &st)) {
		status = sense_fail_errno(err, "pki", "%s", path);
		goto out;
	}
	status = mode_check(path, kind, &st, err);
	if (status)
		goto out;
	*text = calloc(1, SENSE_CA_FILE_MAX + 1);
	if (!*text)
		status = sense_fail(err, SENSE_E_MEMORY, "pki", "no memory to read %s", path);
	else if (!read_all(fd, *text, SENSE_CA_FILE_MAX, &have))
		status = sense_fail_errno(err, "pki", "%s", path);
	if (len)
		*len = have;
out:
	if (fd >= 0)
		close(fd);
	if (status) {
		sense_ca_text_free(*text, have);
		*text = NULL;
	}
	return status;
}

void sense_ca_text_free(char *text, size_t len)
{
	if (text)
		OPENSSL_cleanse(text, len);
	free(text);
}

enum sense_status sense_ca_passphrase_read(const char *dir, const char *file, char **passphrase,
                                           sense_error *err)
{
	char path[PATH_MAX];
	size_t len;
	enum sense_ca_file kind = SENSE_CA_FILE_PRIVATE;
	const char *credentials = getenv("CREDENTIALS_DIRECTORY");
	*passphrase = NULL;
	if (!file && credentials && sense_ca_has(credentials, SENSE_CA_PASSPHRASE)) {
		dir = credentials;
		kind = SENSE_CA_FILE_CREDENTIAL;
	}
	if (file ? snprintf(path, sizeof path, "%s", file) >= PATH_MAX
	         : !path_make(path, dir, SENSE_CA_PASSPHRASE))
		return sense_fail(err, SENSE_E_CONFIG, "pki", "the path of the passphrase is too long");
	enum sense_status status = sense_ca_file_read(path, kind, passphrase, &len, err);
	if (status || !*passphrase)
		return status;
	(*passphrase)[strcspn(*passphrase, "\r\n")] = '\0';
	size_t used = strlen(*passphrase);
	if (used && used <= PASSPHRASE_MAX)
		return SENSE_OK;
	sense_ca_text_free(*passphrase, len);
	*passphrase = NULL;
	return sense_fail(err, SENSE_E_CONFIG, "pki",
	                  "%s: its first line, the passphrase, is empty or longer than %u bytes", path,
	                  PASSPHRASE_MAX);
}

/* ---- writing ---------------------------------------------------------------------------------------- */

enum sense_status sense_ca_file_write(const char *dir, const char *name, mode_t mode, const void *data,
                                      size_t len, bool replace, sense_error *err)
{
	char fresh[NAME_MAX];
	snprintf(fresh, sizeof fresh, "%.200s.new", name);
	int fd = -1, at = open(dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (at < 0)
		return sense_fail_errno(err, "pki", "%s", dir);
	unlinkat(at, fresh, 0); /* of an attempt that was interrupted */
	fd = openat(at, fresh, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC | O_NOFOLLOW, 0600);
	bool good = fd >= 0 && !fchmod(fd, mode) && sense_file_write_all(fd, data, len) && !fsync(fd) &&
	            (replace ? !renameat(at, fresh, at, name) : sense_platform_rename_new(at, fresh, name)) &&
	            !fsync(at);
	enum sense_status status =
	    good ? SENSE_OK : sense_fail_errno(err, "pki", "cannot write %s/%s", dir, name);
	if (fd >= 0)
		close(fd);
	if (status)
		unlinkat(at, fresh, 0);
	close(at);
	return status;
}
