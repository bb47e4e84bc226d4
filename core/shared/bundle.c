#include "core/shared/bundle.h"

#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include "core/names/digest.h"
#include "proto/hex.h"

#define ITEMS_MAX (SENSE_BUNDLE_FILES_MAX + 1) /* settings are no file */

static const char magic[8] = "SENSEPB1";

struct header {
	char magic[8];
	uint32_t count, reserved;
	uint64_t bytes;
	uint8_t digest[32];
};

struct lengths {
	uint32_t file, name, text;
};

void sense_bundle_init(struct sense_bundle *bundle)
{
	*bundle = (struct sense_bundle){0};
	sense_buf_init(&bundle->block, SENSE_BUNDLE_MAX);
	sense_buf_init(&bundle->digests, (size_t)ITEMS_MAX * 32);
	sense_buf_add(&bundle->block, &(struct header){0}, sizeof(struct header));
}

void sense_bundle_fini(struct sense_bundle *bundle)
{
	sense_buf_fini(&bundle->block);
	sense_buf_fini(&bundle->digests);
	*bundle = (struct sense_bundle){0};
}

static void digest_add(struct sense_bundle *bundle, const char *name, size_t len)
{
	uint8_t digest[32];
	sense_sha256(name, len, digest);
	sense_buf_add(&bundle->digests, digest, sizeof digest);
	bundle->count++;
	bundle->params += !strcmp(name, SENSE_BUNDLE_PARAMS);
}

static bool too_many(const struct sense_bundle *bundle)
{
	return bundle->params > 1 || bundle->count - bundle->params > SENSE_BUNDLE_FILES_MAX;
}

void sense_bundle_add(struct sense_bundle *bundle, const struct sense_bundle_item *item)
{
	struct sense_buf *block = &bundle->block;
	size_t file = strlen(item->file), name = strlen(item->name);
	if (item->len > SENSE_BUNDLE_MAX || file > SENSE_BUNDLE_MAX || name > SENSE_BUNDLE_MAX) {
		block->failed = true;
		return;
	}
	struct lengths lengths = {(uint32_t)file, (uint32_t)name, (uint32_t)item->len};
	sense_buf_add(block, &lengths, sizeof lengths);
	sense_buf_add(block, item->file, file + 1);
	size_t at = block->len;
	sense_buf_add(block, item->name, name + 1);
	sense_buf_add(block, item->text, item->len);
	if (!block->failed)
		digest_add(bundle, block->data + at, name + 1 + item->len);
	sense_buf_addc(block, '\0');
}

static void digest_of(struct sense_bundle *bundle, uint8_t out[32])
{
	sense_sha256(sense_buf_str(&bundle->digests), bundle->digests.len, out);
	sense_hex_text(out, SENSE_BUNDLE_HASH_MAX / 2, bundle->hash);
}

enum sense_status sense_bundle_seal(struct sense_bundle *bundle, sense_error *err)
{
	if (bundle->block.failed || bundle->digests.failed || too_many(bundle))
		return sense_fail(err, SENSE_E_LIMIT, "policy",
		                  "the policies do not fit: at most %zu MiB and %u files, paths included",
		                  SENSE_BUNDLE_MAX >> 20, SENSE_BUNDLE_FILES_MAX);
	struct header header = {.count = bundle->count, .bytes = bundle->block.len};
	memcpy(header.magic, magic, sizeof magic);
	digest_of(bundle, header.digest);
	memcpy(bundle->block.data, &header, sizeof header);
	return SENSE_OK;
}

/* The next `len` bytes and the NUL behind them. */
static const char *string_take(const char *block, size_t len, size_t *used, size_t length)
{
	const char *at = block + *used;
	if (length >= len - *used || at[length])
		return NULL;
	*used += length + 1;
	return at;
}

bool sense_bundle_next(const void *block, size_t len, size_t *used, struct sense_bundle_item *out)
{
	struct header header;
	struct lengths lengths;
	size_t at = *used;
	if (!at) {
		if (len < sizeof header)
			return false;
		memcpy(&header, block, sizeof header);
		if (memcmp(header.magic, magic, sizeof magic) || header.bytes != len)
			return false;
		at = *used = sizeof header;
	}
	if (at > len || len - at < sizeof lengths)
		return false;
	memcpy(&lengths, (const char *)block + at, sizeof lengths);
	at += sizeof lengths;
	out->file = string_take(block, len, &at, lengths.file);
	out->name = out->file ? string_take(block, len, &at, lengths.name) : NULL;
	out->text = out->name ? string_take(block, len, &at, lengths.text) : NULL;
	out->len = lengths.text;
	if (!out->text || strlen(out->file) != lengths.file || strlen(out->name) != lengths.name)
		return false;
	*used = at;
	return true;
}

enum sense_status sense_bundle_verify(struct sense_bundle *bundle, const void *block, size_t len,
                                      sense_error *err)
{
	struct sense_bundle_item item;
	struct header header;
	uint8_t digest[32];
	size_t used = 0;
	bundle->count = bundle->params = 0;
	sense_buf_clear(&bundle->digests);
	while (bundle->count < ITEMS_MAX && sense_bundle_next(block, len, &used, &item))
		digest_add(bundle, item.name, strlen(item.name) + 1 + item.len);
	if (used != len || !len || len > SENSE_BUNDLE_MAX || too_many(bundle))
		return sense_fail(err, SENSE_E_FORMAT, "policy", "not a set of policies, or cut short");
	memcpy(&header, block, sizeof header);
	digest_of(bundle, digest);
	if (header.count != bundle->count || memcmp(digest, header.digest, sizeof digest))
		return sense_fail(err, SENSE_E_FORMAT, "policy", "its texts are not those that were saved");
	sense_buf_clear(&bundle->block);
	sense_buf_add(&bundle->block, block, len);
	if (bundle->block.failed)
		return sense_fail(err, SENSE_E_MEMORY, "policy", "no memory for the policies");
	return SENSE_OK;
}
