#include <stdlib.h>

#include "proto/bundle.h"
#include "proto/manifest.h"
#include "t/mangle.h"
#include "t/tap.h"

static const uint8_t params[] = "\x82\xa9"
				"sanctions\x92\xa7"
				"copilot\xa6"
				"claude\xa9threshold\x82\xa3min\xcb\x3f\xe8\0\0\0\0\0\0\xa2on\xc3";

static struct sense_manifest sample(void)
{
	return (struct sense_manifest){.organization = "0197c3a4-0000-7000-8000-00000000000a",
	                               .generation = 300,
	                               .hash = {0xde, 0xad, [31] = 1},
	                               .size = 70000,
	                               .created = UINT64_C(1770000000123456),
	                               .mode = SENSE_MANIFEST_OBSERVE,
	                               .params = {params, sizeof(params) - 1}};
}

/* A copy on the heap, so that a sanitizer sees the first byte too many; what is taken has this form only. */
static bool decode(const uint8_t *data, size_t len, struct sense_manifest *out, const char **why)
{
	static uint8_t again[SENSE_MANIFEST_MAX];
	uint8_t *copy = malloc(len ? len : 1);

	if (len)
		memcpy(copy, data, len);
	*why = NULL;
	bool good = sense_manifest_decode(copy, len, out, why);
	if (good && (sense_manifest_encode(out, again, sizeof(again)) != len || memcmp(again, data, len)))
		ok(false, "what is taken has another form");
	free(copy);
	return good;
}

static size_t round_trip(uint8_t *data, size_t cap)
{
	struct sense_manifest manifest = sample(), got;
	const char *why = NULL;
	size_t len = sense_manifest_encode(&manifest, data, cap);

	bool good = len && decode(data, len, &got, &why);
	ok(good, "a manifest of %zu bytes: %s", len, why ? why : "");
	is_str(got.organization, manifest.organization, "its organization");
	ok(got.generation == 300 && got.size == 70000 && got.created == manifest.created &&
	       got.mode == SENSE_MANIFEST_OBSERVE && !memcmp(got.hash, manifest.hash, 32),
	   "its members");
	ok(got.params.len == sizeof(params) - 1, "its settings");
	manifest.params.data = NULL;
	manifest.params.len = 0;
	manifest.mode = SENSE_MANIFEST_ENFORCE;
	uint8_t bare[256];
	size_t size = sense_manifest_encode(&manifest, bare, sizeof(bare));
	ok(size && decode(bare, size, &got, &why) && !got.params.data && got.mode == SENSE_MANIFEST_ENFORCE,
	   "one without");
	return len;
}

static bool takes(const uint8_t *data, size_t len, const char **why)
{
	struct sense_manifest got;
	return decode(data, len, &got, why);
}

static size_t writes(uint8_t *out, size_t cap)
{
	struct sense_manifest manifest = sample();
	return sense_manifest_encode(&manifest, out, cap);
}

/* The sample with `bytes` in the place of `old`, which is there once. */
static void refuses(const char *old, size_t old_len, const char *bytes, size_t len, const char *word,
                    const char *what)
{
	struct sense_manifest manifest = sample(), got;
	uint8_t data[512], other[600];
	const char *why;
	size_t size = sense_manifest_encode(&manifest, data, sizeof(data));
	uint8_t *at = memmem(data, size, old, old_len);

	if (!at) {
		ok(false, "%s: the place is not there", what);
		return;
	}
	size_t before = (size_t)(at - data), behind = size - before - old_len;
	memcpy(other, data, before);
	memcpy(other + before, bytes, len);
	memcpy(other + before + len, at + old_len, behind);
	bool taken = decode(other, before + len + behind, &got, &why);
	ok(!taken && why && strstr(why, word), "%s: %s", what, why ? why : "taken");
}
#define REFUSES(old, bytes, word, what) refuses(old, sizeof(old) - 1, bytes, sizeof(bytes) - 1, word, what)

static void hostile(void)
{
	REFUSES("format\x01", "format\x02", "format", "a later format");
	REFUSES("format\x01", "format\xcc\x01", "one form", "a longer integer");
	REFUSES("\xa6"
	        "format",
	        "\xd9\x06"
	        "format",
	        "one form", "a longer key");
	REFUSES("\x88", "\xde\0\x08", "one form", "a longer map");
	REFUSES("\x88", "\x87", "behind", "fewer members than there are");
	REFUSES("\x88", "\x89", "too many", "one too many");
	REFUSES("\xaa"
	        "generation",
	        "\xaa"
	        "Generation",
	        "place", "another member");
	REFUSES("generation\xcd\x01\x2c", "generation\0", "no generation", "generation 0");
	REFUSES("0197c3a4", "0197C3A4", "UUID", "an organization in capitals");
	REFUSES("\xd9\x24"
	        "0197c3a4-0000-7000-8000-00000000000a",
	        "\xa4"
	        "0197",
	        "UUID", "a short one");
	REFUSES("\xce\0\x01\x11\x70", "\xcf\0\0\0\1\0\0\0\0", "range", "a bundle of four gigabytes");
	REFUSES("observe", "obscure", "mode", "a mode that is not known");
	REFUSES("\xa7"
	        "observe",
	        "\xa1x", "mode", "another");
	REFUSES("\x82\xa9"
	        "sanctions",
	        "\x92\xa9"
	        "sanctions",
	        "wrong type", "settings that are a list");
	REFUSES("\xa9threshold", "\xa9sanctions", "twice", "a setting that comes twice");
	REFUSES("\xa9threshold",
	        "\xa9"
	        "aaaaaaaaa",
	        "order", "settings out of order");
	REFUSES("\xa3min",
	        "\xa3"
	        "zzz",
	        "order", "within another");
	REFUSES("\xa2on\xc3", "\xa2on\xc0", "no text", "a setting that is nil");
	REFUSES("\xa2on\xc3", "\xa2on\xc4\x01z", "no text", "one of bytes");
	REFUSES("\xa2on\xc3", "\xa2on\xd4\x01z", "no text", "an extension");
	REFUSES("\xa2on\xc3", "\xa2on\xc1", "no text", "the byte that is never used");
	REFUSES("\xa2on\xc3", "\xa2on\xa2\xc0\xaf", "UTF-8", "an overlong character");
	REFUSES("\xa2on\xc3", "\xa2o\0\xc3", "UTF-8", "a NUL within a key");
	REFUSES("\xa2on\xc3", "\x01\xc3", "wrong type", "a key that is a number");
	REFUSES("\xa2on\xc3", "\xa2on\xcb\x7f\xf0\0\0\0\0\0\0", "finite", "an infinite number");
	REFUSES("\xa2on\xc3", "\xa2on\xdd\xff\xff\xff\xff", "counts", "four billion settings");
	REFUSES("\xa2on\xc3", "\xa2on\x91\x91\x91\x91\x91\x91\x91\x91\x91\x91\x91\x91\x90", "deep",
	        "settings within settings");
}

static void depth_and_size(void)
{
	struct sense_manifest manifest = sample();
	uint8_t *data = calloc(1, SENSE_MANIFEST_MAX + 1), *large = malloc(SENSE_MANIFEST_MAX);

	manifest.params =
	    (struct sense_message_bytes){(const uint8_t *)"\x81\xa1k\x91\x91\x91\x91\x91\x91\x90", 10};
	ok(sense_manifest_encode(&manifest, data, SENSE_MANIFEST_MAX), "eight levels of settings");
	manifest.params =
	    (struct sense_message_bytes){(const uint8_t *)"\x81\xa1k\x91\x91\x91\x91\x91\x91\x91\x90", 11};
	ok(!sense_manifest_encode(&manifest, data, SENSE_MANIFEST_MAX), "nine are not sent");
	struct sense_wire_writer writer = {.data = large, .cap = SENSE_MANIFEST_MAX};
	sense_wire_put_map(&writer, 1);
	sense_wire_put_string(&writer, "k");
	size_t count = SENSE_MANIFEST_PARAMS_MAX - writer.len - 3;
	sense_wire_put_array(&writer, count);
	for (size_t i = 0; i < count; i++)
		sense_wire_put_uint(&writer, 1);
	manifest.params = (struct sense_message_bytes){large, writer.len};
	const char *why;
	size_t len = sense_manifest_encode(&manifest, data, SENSE_MANIFEST_MAX);
	ok(writer.len == SENSE_MANIFEST_PARAMS_MAX && len && decode(data, len, &manifest, &why),
	   "as many as may be: %zu bytes", len);
	ok(!decode(data, SENSE_MANIFEST_MAX + 1, &manifest, &why) && strstr(why, "larger"), "no more");
	free(data);
	free(large);
}

static void not_sent(void)
{
	uint8_t data[512];
	struct sense_manifest manifest = sample();
	manifest.generation = 0;
	ok(!sense_manifest_encode(&manifest, data, sizeof(data)), "generation 0 is not sent");
	manifest = sample();
	manifest.organization[3] = 'x';
	ok(!sense_manifest_encode(&manifest, data, sizeof(data)), "nor one for nobody");
	manifest = sample();
	manifest.size = SENSE_WIRE_BUNDLE_MAX + 1;
	ok(!sense_manifest_encode(&manifest, data, sizeof(data)), "nor one of a bundle that is too large");
	manifest = sample();
	manifest.mode = (enum sense_manifest_mode)2;
	ok(!sense_manifest_encode(&manifest, data, sizeof(data)), "nor a mode that is none");
	manifest = sample();
	manifest.params.len--;
	ok(!sense_manifest_encode(&manifest, data, sizeof(data)), "nor settings that are cut");
}

static void is_signed(const uint8_t *data, size_t len)
{
	uint8_t out[600];
	size_t size = sense_manifest_signed(data, len, out, sizeof(out));
	ok(size == 25 + len && !memcmp(out, "sense policy manifest v1\0", 25) && !memcmp(out + 25, data, len),
	   "what is signed is the purpose, a NUL and the manifest");
	ok(!sense_manifest_signed(data, len, out, 24 + len) && !sense_manifest_signed(data, len, out, 3),
	   "all of it or nothing");
}

int main(void)
{
	uint8_t data[512];
	size_t len = round_trip(data, sizeof(data));

	mangle(takes, writes, data, len);
	hostile();
	depth_and_size();
	not_sent();
	is_signed(data, len);
	return tap_done();
}
