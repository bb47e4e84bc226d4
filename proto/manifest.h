/*
 * A manifest: what the server signs for a bundle of policies (proto/bundle.h), and an agent believes after it
 * has checked the signature. One MessagePack map, its members in this order:
 *
 *   format        1
 *   organization  string: UUID of the one whose agents it is for
 *   generation    u64: it only grows; an agent refuses what is not above that which it has
 *   hash          bin, 32 bytes: SHA-256 of the bundle's bytes
 *   size          u64: how many those are
 *   created       u64: microseconds since the epoch
 *   mode          string: "enforce" or "observe"
 *   params        map, may be missing: settings of rules
 *
 * There is one form for it (shortest integers, nothing else in it), so equal manifests have equal bytes, and
 * a decoder refuses any other. What is signed are not these bytes alone but sense_manifest_signed of them: a
 * signature for one purpose is then never one for another. No cryptography here.
 */
#ifndef SENSE_PROTO_MANIFEST_H
#define SENSE_PROTO_MANIFEST_H

#include "proto/message.h"
#include "proto/uuid.h"

#define SENSE_MANIFEST_FORMAT 1u
#define SENSE_MANIFEST_MAX SENSE_MESSAGE_MANIFEST_MAX
#define SENSE_MANIFEST_PARAMS_MAX (SENSE_MANIFEST_MAX - 256)
#define SENSE_MANIFEST_DEPTH_MAX 8u /* of maps and arrays in params, the outermost included */
/* What an agent applies of params, and a server puts there: texts, numbers, booleans, arrays of texts and numbers. */
#define SENSE_MANIFEST_PARAM_COUNT_MAX 256u
#define SENSE_MANIFEST_PARAM_NAME_MAX 128u  /* bytes of a key */
#define SENSE_MANIFEST_PARAM_TEXT_MAX 1024u /* bytes */
#define SENSE_MANIFEST_PARAM_ARRAY_MAX 1000u
#define SENSE_MANIFEST_DOMAIN "sense policy manifest v1" /* its NUL is part of what is signed */
#define SENSE_MANIFEST_SIGNED_MAX (sizeof(SENSE_MANIFEST_DOMAIN) + SENSE_MANIFEST_MAX)

enum sense_manifest_mode { SENSE_MANIFEST_ENFORCE, SENSE_MANIFEST_OBSERVE };

struct sense_manifest {
	char organization[SENSE_UUID_TEXT];
	uint64_t generation; /* from 1 */
	uint8_t hash[SENSE_MESSAGE_HASH];
	uint64_t size;
	uint64_t created;
	enum sense_manifest_mode mode;
	/*
	 * A map, encoded; NULL: none. In it are texts, finite numbers, booleans, arrays, and maps whose keys
	 * are texts in the order of their bytes, each once.
	 */
	struct sense_message_bytes params;
};

/* How long it is; 0: no room, or it is not what a decoder takes. */
size_t sense_manifest_encode(const struct sense_manifest *manifest, uint8_t *out, size_t cap);
/* params points into data. False: *why says what is wrong. */
bool sense_manifest_decode(const uint8_t *data, size_t len, struct sense_manifest *manifest,
                           const char **why);

/* The bytes that are signed (Ed25519, RFC 8032) for a manifest of these bytes. How many; 0: no room. */
size_t sense_manifest_signed(const uint8_t *manifest, size_t len, uint8_t *out, size_t cap);

#endif
