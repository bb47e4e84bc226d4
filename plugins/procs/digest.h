/*
 * SHA-256 of executables (FIPS 180-4), DIGEST_PIECE bytes at a time: a fraction of a millisecond. What was
 * hashed is remembered by device, inode, time of change and size, for the DIGEST_CACHE files used last;
 * DIGEST_JOBS files wait in line, held open, so that it is their content that is hashed whatever their name
 * is by then. Files of more than DIGEST_FILE_MAX, and those on file systems that a user or the network
 * serves, are not read.
 */
#ifndef PROCS_DIGEST_H
#define PROCS_DIGEST_H

#include "look.h"

enum { DIGEST_PIECE = 128 << 10, DIGEST_FILE_MAX = 512 << 20, DIGEST_CACHE = 1024, DIGEST_JOBS = 32 };

struct digests;

enum digest_answer {
	DIGEST_KNOWN,  /* *hex is set */
	DIGEST_WAITS,  /* it is in line */
	DIGEST_LATER,  /* the line is full, ask again */
	DIGEST_REFUSED /* this file is not hashed */
};

struct digests *digests_new(void);
void digests_free(struct digests *digests);
/* The hash of the executable looked at, which stands in line from now on when it is not known. */
enum digest_answer digests_ask(struct digests *digests, const struct look *look, const char **hex);
bool digests_busy(const struct digests *digests);
/* One piece. True when a file's hash became known: *file is its short form, by digests_short. */
bool digests_step(struct digests *digests, uint32_t *file);
/* Not unique: what is done by it is looked up again. */
uint32_t digests_short(const struct file_id *file);
uint64_t digests_done(const struct digests *digests);

#endif
