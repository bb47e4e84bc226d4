/*
 * Fingerprints seen before. A host's programs open connection after connection with the same lists,
 * and two digests over their text cost more than reading the hello itself.
 *
 * A small direct-mapped table for each thread, of what the fingerprints depend on and nothing else,
 * compared byte by byte: an outsider can make it miss, never make it wrong. Browsers that shuffle
 * their extensions miss too, and pay the comparison on top.
 */
#include <string.h>

#include "core/base/hash.h"
#include "core/names/ja.h"

#define SLOTS 64u
#define SHAPE_MAX 640u

struct shape {
	uint32_t len;
	uint8_t bytes[SHAPE_MAX];
};

struct memo {
	struct shape shape;
	char ja3[33];
	char ja4[37];
};

static bool put(struct shape *shape, const void *data, size_t len)
{
	if (len > SHAPE_MAX - shape->len)
		return false;
	if (len)
		memcpy(shape->bytes + shape->len, data, len);
	shape->len += (uint32_t)len;
	return true;
}

/* A list of 16-bit numbers without GREASE, which differs from one hello to the next; then its end. */
static bool put_list(struct shape *shape, struct sense_bytes list)
{
	static const uint8_t end[2] = {0x0a, 0x0a}; /* a GREASE value: never an item */
	for (size_t i = 0; i + 1 < list.len; i += 2)
		if (!sense_is_grease(sense_be16(list.at + i)) && !put(shape, list.at + i, 2))
			return false;
	return put(shape, end, 2);
}

/* Everything that sense_ja3 and sense_ja4 read; false when it is too long to be worth keeping. */
static bool shape_of(const struct sense_hello_lists *lists, struct shape *shape)
{
	uint16_t head[] = {lists->legacy_version,
	                   lists->top_version,
	                   lists->quic,
	                   lists->has_sni,
	                   (uint16_t)lists->alpn.len,
	                   lists->alpn.len ? lists->alpn.at[0] : 0,
	                   lists->alpn.len ? lists->alpn.at[lists->alpn.len - 1] : 0,
	                   (uint16_t)lists->formats.len};
	shape->len = 0;
	if (!put(shape, head, sizeof head) || !put_list(shape, lists->ciphers) ||
	    !put_list(shape, lists->groups) || !put_list(shape, lists->signatures) ||
	    !put(shape, lists->formats.at, lists->formats.len))
		return false;
	for (unsigned i = 0; i < lists->extension_count; i++)
		if (!sense_is_grease(lists->extensions[i]) && !put(shape, &lists->extensions[i], 2))
			return false;
	return true;
}

void sense_ja(const struct sense_hello_lists *lists, char ja3[33], char ja4[37])
{
	static _Thread_local struct memo memos[SLOTS];
	struct shape shape;
	bool kept = shape_of(lists, &shape);
	struct memo *memo = kept ? &memos[sense_hash(shape.bytes, shape.len, 0) % SLOTS] : NULL;
	if (!memo || memo->shape.len != shape.len || memcmp(memo->shape.bytes, shape.bytes, shape.len)) {
		sense_ja3(lists, ja3);
		sense_ja4(lists, ja4);
		if (!memo)
			return;
		memo->shape.len = shape.len;
		memcpy(memo->shape.bytes, shape.bytes, shape.len);
		memcpy(memo->ja3, ja3, sizeof memo->ja3);
		memcpy(memo->ja4, ja4, sizeof memo->ja4);
		return;
	}
	memcpy(ja3, memo->ja3, sizeof memo->ja3);
	memcpy(ja4, memo->ja4, sizeof memo->ja4);
}
