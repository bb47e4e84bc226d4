/*
 * A bundle: the texts of a set of policies in one flat block, as the supervisor hands it to a worker
 * and keeps it on disk.
 *
 * The supervisor reads the files and runs none of them. Whoever opens a bundle checks every length in
 * it; sense_bundle_verify also that the texts are those that were hashed.
 *
 *   block: magic 8, count u32, reserved u32, bytes of the whole u64, digest 32, then `count` items
 *   item:  lengths of file, name and text u32, then each with a NUL behind it (host byte order)
 *
 * One item may be no policy: the settings of rules that a fleet's server signed with the policies. Its name is one that
 * no file can have; so a set with other settings is another set, and wherever one is kept they are kept with it.
 *
 * The digest is SHA-256 over the SHA-256 of each item's `name NUL text`, in order: where the files lie
 * does not matter.
 */
#ifndef SENSE_SHARED_BUNDLE_H
#define SENSE_SHARED_BUNDLE_H

#include "core/base/buf.h"
#include "core/base/status.h"

#define SENSE_BUNDLE_MAX ((size_t)48 << 20) /* what lua/policy.h allows in all, with paths */
#define SENSE_BUNDLE_FILES_MAX 2000u
#define SENSE_BUNDLE_PARAMS "//params" /* name of the item with the settings: a map as in proto/manifest.h */
#define SENSE_BUNDLE_HASH_MAX 17u /* 16 hexadecimal digits of the digest, and a NUL */

struct sense_bundle {
	struct sense_buf block;
	struct sense_buf digests; /* of the items, while it is made */
	unsigned count;  /* of items */
	unsigned params; /* of them, settings: at most one */
	char hash[SENSE_BUNDLE_HASH_MAX]; /* known once it is sealed */
};

/* One policy. Pointers into the block; strings end with a NUL that the lengths do not count. */
struct sense_bundle_item {
	const char *file; /* as messages name it */
	const char *name; /* path below its directory without .lua */
	const char *text;
	size_t len;
};

void sense_bundle_init(struct sense_bundle *bundle);
void sense_bundle_fini(struct sense_bundle *bundle);
void sense_bundle_add(struct sense_bundle *bundle, const struct sense_bundle_item *item);
/* Ends it: nothing is added any more. SENSE_E_LIMIT when it grew too large, or memory was short. */
enum sense_status sense_bundle_seal(struct sense_bundle *bundle, sense_error *err);
/* Takes a copy of a block from elsewhere; SENSE_E_FORMAT when it is not whole and unchanged. */
enum sense_status sense_bundle_verify(struct sense_bundle *bundle, const void *block, size_t len,
                                      sense_error *err);

/* Reading: *used is 0 at first. False: the end, or (when *used != len) a block that is not well-formed. */
bool sense_bundle_next(const void *block, size_t len, size_t *used, struct sense_bundle_item *out);

#endif
