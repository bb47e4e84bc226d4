/* The plain functions of OpenSSL: EVP would set up the whole library, 2 MB of its pages, for this one digest. */
#define OPENSSL_SUPPRESS_DEPRECATED
#include "digest.h"

#include <errno.h>
#include <fcntl.h>
#include <openssl/sha.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

enum { HEX = 2 * SHA256_DIGEST_LENGTH + 1, MOUNTS_MAX = 1 << 20 };

struct kept {
	struct file_id file;
	uint64_t used; /* 0: free */
	char hex[HEX];
};

struct job {
	struct file_id file;
	int fd; /* -1: free */
	uint64_t since;
	uint64_t done;
};

struct digests {
	struct kept kept[DIGEST_CACHE];
	struct job jobs[DIGEST_JOBS];
	SHA256_CTX context; /* of the job in hand */
	struct job *current;
	uint64_t clock, done;
	char buffer[DIGEST_PIECE];
};

struct digests *digests_new(void)
{
	struct digests *digests = calloc(1, sizeof *digests);
	if (!digests)
		return NULL;
	for (unsigned i = 0; i < DIGEST_JOBS; i++)
		digests->jobs[i].fd = -1;
	return digests;
}

void digests_free(struct digests *digests)
{
	if (!digests)
		return;
	for (unsigned i = 0; i < DIGEST_JOBS; i++)
		if (digests->jobs[i].fd >= 0)
			close(digests->jobs[i].fd);
	free(digests);
}

static bool same_file(const struct file_id *a, const struct file_id *b)
{
	return a->device == b->device && a->inode == b->inode && a->mtime_ns == b->mtime_ns &&
	       a->size == b->size;
}

uint32_t digests_short(const struct file_id *file)
{
	uint64_t h = file->device * 0x9e3779b97f4a7c15u ^ file->inode;
	h = (h ^ file->mtime_ns) * 0xbf58476d1ce4e5b9u ^ file->size;
	h *= 0x94d049bb133111ebu;
	return (uint32_t)(h >> 32);
}

static struct kept *kept_find(struct digests *digests, const struct file_id *file)
{
	for (unsigned i = 0; i < DIGEST_CACHE && digests->kept[i].used; i++)
		if (same_file(&digests->kept[i].file, file))
			return &digests->kept[i];
	return NULL;
}

/* A slot for one more: a free one, or the one used longest ago. */
static struct kept *kept_room(struct digests *digests)
{
	struct kept *oldest = digests->kept;
	for (unsigned i = 0; i < DIGEST_CACHE; i++) {
		if (!digests->kept[i].used)
			return &digests->kept[i];
		if (digests->kept[i].used < oldest->used)
			oldest = &digests->kept[i];
	}
	return oldest;
}

/* A file system whose reads do not depend on a user's program or on the network. */
static bool is_local(const struct look *look)
{
	static const char *const local[] = {"btrfs",    "overlay",  "tmpfs", "ramfs",   "zfs",
	                                    "rootfs",   "bcachefs", "ubifs", "ext4",    "xfs",
	                                    "squashfs", "erofs",    "aufs",  "devtmpfs"};
	char type[32] = "";
	if (!look->remote_device)
		return true;
	char *text = malloc(MOUNTS_MAX);
	long n = text ? look_read(look->dir, "mountinfo", text, MOUNTS_MAX) : -1;
	bool known = n > 0 && procfs_mount_type(text, (size_t)n, look->mount, type, sizeof type);
	free(text);
	for (size_t i = 0; known && i < sizeof local / sizeof *local; i++)
		if (!strcmp(local[i], type))
			return true;
	return false;
}

static int file_open(const struct look *look)
{
	struct stat st;
	int fd = openat(look->dir, "exe", O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY);
	if (fd < 0)
		return -1;
	/* Between the look and now it may have executed another. */
	if (!fstat(fd, &st) && S_ISREG(st.st_mode) && st.st_ino == look->file.inode &&
	    (uint64_t)st.st_size == look->file.size)
		return fd;
	close(fd);
	return -1;
}

enum digest_answer digests_ask(struct digests *digests, const struct look *look, const char **hex)
{
	struct job *room = NULL;
	if (!look->has_file || look->file.size > DIGEST_FILE_MAX)
		return DIGEST_REFUSED;
	struct kept *kept = kept_find(digests, &look->file);
	if (kept) {
		kept->used = ++digests->clock;
		*hex = kept->hex;
		return DIGEST_KNOWN;
	}
	for (unsigned i = 0; i < DIGEST_JOBS; i++) {
		if (digests->jobs[i].fd < 0)
			room = &digests->jobs[i];
		else if (same_file(&digests->jobs[i].file, &look->file))
			return DIGEST_WAITS;
	}
	if (!room)
		return DIGEST_LATER;
	if (!is_local(look))
		return DIGEST_REFUSED;
	room->fd = file_open(look);
	if (room->fd < 0)
		return DIGEST_REFUSED;
	room->file = look->file;
	room->since = ++digests->clock;
	room->done = 0;
	return DIGEST_WAITS;
}

bool digests_busy(const struct digests *digests)
{
	for (unsigned i = 0; i < DIGEST_JOBS; i++)
		if (digests->jobs[i].fd >= 0)
			return true;
	return false;
}

uint64_t digests_done(const struct digests *digests)
{
	return digests->done;
}

static struct job *job_next(struct digests *digests)
{
	struct job *next = NULL;
	for (unsigned i = 0; i < DIGEST_JOBS; i++) {
		struct job *job = &digests->jobs[i];
		if (job->fd >= 0 && (!next || job->since < next->since))
			next = job;
	}
	if (next)
		SHA256_Init(&digests->context);
	return next;
}

/* The job is over; the hash counts when the file is still what it was. */
static bool job_end(struct digests *digests, struct job *job, bool whole)
{
	static const char digits[] = "0123456789abcdef";
	unsigned char hash[SHA256_DIGEST_LENGTH];
	struct stat st;
	digests->current = NULL;
	whole =
	    whole && !fstat(job->fd, &st) && (uint64_t)st.st_size == job->file.size &&
	    (uint64_t)st.st_mtim.tv_sec * 1000000000u + (uint64_t)st.st_mtim.tv_nsec == job->file.mtime_ns;
	close(job->fd);
	job->fd = -1;
	if (!whole)
		return false;
	SHA256_Final(hash, &digests->context);
	struct kept *kept = kept_room(digests);
	kept->file = job->file;
	kept->used = ++digests->clock;
	for (unsigned i = 0; i < sizeof hash; i++) {
		kept->hex[2 * i] = digits[hash[i] >> 4];
		kept->hex[2 * i + 1] = digits[hash[i] & 15];
	}
	kept->hex[2 * sizeof hash] = '\0';
	digests->done++;
	return true;
}

bool digests_step(struct digests *digests, uint32_t *file)
{
	if (!digests->current)
		digests->current = job_next(digests);
	struct job *job = digests->current;
	if (!job)
		return false;
	*file = digests_short(&job->file);
	ssize_t n;
	do
		n = pread(job->fd, digests->buffer, sizeof digests->buffer, (off_t)job->done);
	while (n < 0 && errno == EINTR);
	if (n <= 0)
		return job_end(digests, job, !n);
	/* One that grows meanwhile is another file. */
	if (job->done + (uint64_t)n > job->file.size)
		return job_end(digests, job, false);
	SHA256_Update(&digests->context, digests->buffer, (size_t)n);
	job->done += (uint64_t)n;
	return false;
}
