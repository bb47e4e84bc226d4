/*
 * Policies as a server keeps them: a bundle (proto/bundle.h), named by the SHA-256 of its bytes. The same
 * files give the same bytes, wherever they lie and in whatever order they are found.
 */
#ifndef SENSE_SERVER_POLICY_PACK_H
#define SENSE_SERVER_POLICY_PACK_H

#include "lua/policy.h"
#include "proto/bundle.h"

#define SENSE_PACK_HASH 32u
#define SENSE_PACK_HEX (2 * SENSE_PACK_HASH + 1)

struct sense_pack {
	uint8_t *bytes; /* the bundle; owned */
	size_t len;
	uint8_t hash[SENSE_PACK_HASH];
	unsigned files;
};

/*
 * Reads a directory as sense-agent does (lua/policy.h: *.lua without tests), in the order that a bundle has,
 * so that what is checked is what agents will load. A file whose name a bundle cannot hold is refused.
 */
enum sense_status sense_pack_read(const char *dir, struct sense_policy_sources *out, sense_error *err);
/* Of sources in that order. Give it back with sense_pack_fini. */
enum sense_status sense_pack_make(const struct sense_policy_sources *sources, struct sense_pack *out,
                                  sense_error *err);
/* Takes bytes that were kept, and looks them over: a bundle, and the one of this hash. Copies them. */
enum sense_status sense_pack_take(const uint8_t *bytes, size_t len, const uint8_t hash[SENSE_PACK_HASH],
                                  struct sense_pack *out, sense_error *err);
void sense_pack_fini(struct sense_pack *pack); /* may be all zeroes */

/*
 * Its files below a directory that is made, or is empty: nothing is written over. What stands there
 * afterwards gives the same bundle again, which is looked at.
 */
enum sense_status sense_pack_write(const struct sense_pack *pack, const char *dir, sense_error *err);

void sense_pack_hex(const uint8_t hash[SENSE_PACK_HASH], char out[SENSE_PACK_HEX]);

#endif
