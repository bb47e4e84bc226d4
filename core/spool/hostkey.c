#include "core/spool/hostkey.h"

#include <errno.h>
#include <fcntl.h>
#include <openssl/crypto.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "core/base/file.h"

#define NAME "key"
#define NEW_NAME "key.new"

/* Up to cap bytes from the beginning of the file; -1: errno says why. */
static ssize_t read_some(int fd, void *out, size_t cap)
{
	size_t have = 0;
	while (have < cap) {
		ssize_t got = read(fd, (char *)out + have, cap - have);
		if (got < 0 && errno == EINTR)
			continue;
		if (got < 0)
			return -1;
		if (!got)
			break;
		have += (size_t)got;
	}
	return (ssize_t)have;
}

enum sense_status sense_hostkey_read(int dir, const char *dir_name, uint8_t key[SENSE_SEAL_KEY],
                                     enum sense_hostkey_state *state, sense_error *err)
{
	struct stat st;
	uint8_t bytes[SENSE_SEAL_KEY + 1];
	enum sense_status status = SENSE_OK;
	int fd = openat(dir, NAME, O_RDONLY | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK | O_NOCTTY);
	if (fd < 0 && errno == ENOENT) {
		*state = SENSE_HOSTKEY_MISSING;
		return SENSE_OK;
	}
	if (fd < 0 || fstat(fd, &st)) {
		status = sense_fail_errno(err, "spool", "%s/" NAME, dir_name);
		goto out;
	}
	if (!S_ISREG(st.st_mode) || st.st_uid != geteuid() || st.st_mode & 077) {
		status = sense_fail(
		    err, SENSE_E_CONFIG, "spool",
		    "%s/" NAME ": mode %04o of user %u; it must be a file of mode 0600 that belongs "
		    "to user %u. Others may have read it: if so remove it, and what is in the spool "
		    "is set aside",
		    dir_name, (unsigned)st.st_mode & 07777, (unsigned)st.st_uid, (unsigned)geteuid());
		goto out;
	}
	ssize_t got = read_some(fd, bytes, sizeof bytes);
	if (got < 0)
		status = sense_fail_errno(err, "spool", "%s/" NAME, dir_name);
	*state = got == SENSE_SEAL_KEY ? SENSE_HOSTKEY_GOOD : SENSE_HOSTKEY_DAMAGED;
	memcpy(key, bytes, SENSE_SEAL_KEY);
	OPENSSL_cleanse(bytes, sizeof bytes);
out:
	if (fd >= 0)
		close(fd);
	return status;
}

enum sense_status sense_hostkey_make(int dir, const char *dir_name, uint8_t key[SENSE_SEAL_KEY],
                                     sense_error *err)
{
	if (getentropy(key, SENSE_SEAL_KEY))
		return sense_fail_errno(err, "spool", "no randomness for the host key");
	unlinkat(dir, NEW_NAME, 0); /* of an attempt that was interrupted */
	int fd = openat(dir, NEW_NAME, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC | O_NOFOLLOW, 0600);
	bool good = fd >= 0 && !fchmod(fd, 0600) && sense_file_write_all(fd, key, SENSE_SEAL_KEY) && !fsync(fd) &&
	            !renameat(dir, NEW_NAME, dir, NAME) && !fsync(dir);
	enum sense_status status =
	    good ? SENSE_OK : sense_fail_errno(err, "spool", "cannot make the host key %s/" NAME, dir_name);
	if (fd >= 0)
		close(fd);
	if (status)
		unlinkat(dir, NEW_NAME, 0);
	return status;
}

void sense_machine_id(const char *path, char id[SENSE_MACHINE_ID_MAX])
{
	char text[SENSE_MACHINE_ID_MAX];
	const size_t digits = SENSE_MACHINE_ID_MAX - 1;
	id[0] = '\0';
	int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY);
	if (fd < 0)
		return;
	ssize_t got = read_some(fd, text, sizeof text);
	close(fd);
	if (got < (ssize_t)digits || (got > (ssize_t)digits && text[digits] != '\n'))
		return;
	text[digits] = '\0';
	if (strspn(text, "0123456789abcdef") == digits)
		memcpy(id, text, sizeof text);
}
