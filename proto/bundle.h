/*
 * A bundle of policies as it goes from server to agent: one MessagePack map
 *
 *   {format: 1, files: [[name, text], ...]}      name: string, text: bin
 *
 * in which the files are in the order of the bytes of their names, each name once. A name is a relative path
 * of A-Z a-z 0-9 _ . - with / between its parts, none of which begins with a dot. The writer gives one form
 * to a set of policies, and the SHA-256 of its bytes names the set (proto/manifest.h).
 *
 * Both ends hold the bounds of lua/policy.h. The reader takes any bytes and copies nothing; what it gives
 * points into the input. Look over a bundle with sense_wire_bundle_check before anything of it is used.
 */
#ifndef SENSE_PROTO_BUNDLE_H
#define SENSE_PROTO_BUNDLE_H

#include "proto/wire.h"

#define SENSE_WIRE_BUNDLE_FORMAT 1u
#define SENSE_WIRE_BUNDLE_FILES_MAX 2000u
#define SENSE_WIRE_BUNDLE_NAME_MAX 255u
#define SENSE_WIRE_BUNDLE_TEXT_MAX ((size_t)256 << 10)
#define SENSE_WIRE_BUNDLE_TEXTS_MAX ((size_t)32 << 20)
/* Bytes of the largest: all texts, and for each file its name and what MessagePack says about both. */
#define SENSE_WIRE_BUNDLE_MAX \
	(SENSE_WIRE_BUNDLE_TEXTS_MAX + SENSE_WIRE_BUNDLE_FILES_MAX * (SENSE_WIRE_BUNDLE_NAME_MAX + 8) + 32)

struct sense_wire_bundle_file {
	struct sense_wire_key name; /* not NUL-terminated */
	const uint8_t *text;
	size_t len;
};

/* Whether a file of a bundle may have this name. */
bool sense_wire_bundle_is_name(const char *name, size_t len);

/* ---- writing: the head, then as many files as it says, in order ---------------------------------------- */

struct sense_wire_bundle_writer {
	struct sense_wire_writer
	    writer; /* the caller sets data and cap; full: no room, or what may not be written */
	struct sense_wire_key last; /* points into what was written */
	uint32_t left;
	size_t texts;
};

void sense_wire_bundle_put(struct sense_wire_bundle_writer *bundle, uint32_t count);
void sense_wire_bundle_put_file(struct sense_wire_bundle_writer *bundle, const char *name, const void *text,
                                size_t len);
/* How long it is; 0: something did not fit, may not be, or is missing. */
size_t sense_wire_bundle_end(const struct sense_wire_bundle_writer *bundle);

/* ---- reading ------------------------------------------------------------------------------------------- */

struct sense_wire_bundle {
	struct sense_wire_reader reader; /* reader.why: what is wrong */
	struct sense_wire_key last;
	uint32_t count, left; /* files in all, and those that are still to come */
	size_t texts;
};

/* False: it does not begin as a bundle. */
bool sense_wire_bundle_get(struct sense_wire_bundle *bundle, const uint8_t *data, size_t len);
/* False: that was the last, or (when reader.why is set) the rest is broken. */
bool sense_wire_bundle_next(struct sense_wire_bundle *bundle, struct sense_wire_bundle_file *out);
/* Walks over all of it. False: *why says what is wrong. */
bool sense_wire_bundle_check(const uint8_t *data, size_t len, uint32_t *count, const char **why);

#endif
