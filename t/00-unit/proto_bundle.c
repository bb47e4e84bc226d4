#include <stdlib.h>

#include "proto/bundle.h"
#include "t/mangle.h"
#include "t/tap.h"

static const struct {
	const char *name, *text;
} files[] = {{"a", ""}, {"a.lua", "rule \"a\" {}\n"}, {"a/b-c_D.9.lua", "-- \xc3\xbc"}, {"b", "\xff"}};
#define FILES (sizeof(files) / sizeof(*files))

static size_t encode(uint8_t *data, size_t cap)
{
	struct sense_wire_bundle_writer bundle = {.writer = {.data = data, .cap = cap}};
	sense_wire_bundle_put(&bundle, FILES);
	for (size_t i = 0; i < FILES; i++)
		sense_wire_bundle_put_file(&bundle, files[i].name, files[i].text, strlen(files[i].text));
	return sense_wire_bundle_end(&bundle);
}

/* A copy on the heap, so that a sanitizer sees the first byte too many. */
static bool check(const uint8_t *data, size_t len, uint32_t *count, const char **why)
{
	uint8_t *copy = malloc(len ? len : 1);
	if (len)
		memcpy(copy, data, len);
	*why = NULL;
	bool good = sense_wire_bundle_check(copy, len, count, why);
	free(copy);
	return good;
}

static size_t round_trip(uint8_t *data, size_t cap)
{
	struct sense_wire_bundle bundle;
	struct sense_wire_bundle_file file;
	const char *why = NULL;
	uint32_t count;
	size_t len = encode(data, cap), i = 0;

	bool good = len && check(data, len, &count, &why);
	ok(good && count == FILES, "a bundle of %zu bytes: %s", len, why ? why : "");
	ok(sense_wire_bundle_get(&bundle, data, len), "is walked over");
	while (sense_wire_bundle_next(&bundle, &file)) {
		ok(sense_wire_is(&file.name, files[i].name) && file.len == strlen(files[i].text) &&
		       !memcmp(file.text, files[i].text, file.len),
		   "%s", files[i].name);
		i++;
	}
	ok(i == FILES && !bundle.reader.why, "to its end");
	uint8_t none[32];
	struct sense_wire_bundle_writer empty = {.writer = {.data = none, .cap = sizeof(none)}};
	sense_wire_bundle_put(&empty, 0);
	size_t size = sense_wire_bundle_end(&empty);
	ok(size && check(none, size, &count, &why) && !count, "one of no files");
	return len;
}

static bool takes(const uint8_t *data, size_t len, const char **why)
{
	uint32_t count;
	return sense_wire_bundle_check(data, len, &count, why);
}

static void names(void)
{
	static const char *const good[] = {"a", "a.lua", "ai/chat.lua", "A_b-c.d/0", "a..b", "-", "a."};
	static const char *const bad[] = {"",    "/",    "/a",   "a/",    "a//b",     ".",
	                                  "..",  "../a", "a/..", "a/./b", ".a",       "a/.b",
	                                  "a b", "a\\b", "a\n",  "a:b",   "\xc3\xbc", "a/../b"};
	char name[SENSE_WIRE_BUNDLE_NAME_MAX + 1];
	unsigned wrong = 0;

	for (size_t i = 0; i < sizeof(good) / sizeof(*good); i++)
		wrong += !sense_wire_bundle_is_name(good[i], strlen(good[i]));
	is_num(wrong, 0, "names that may be");
	for (size_t i = 0; i < sizeof(bad) / sizeof(*bad); i++)
		if (sense_wire_bundle_is_name(bad[i], strlen(bad[i])))
			ok(false, "'%s' is taken", bad[i]);
	ok(!sense_wire_bundle_is_name("a\0b", 3), "and names that may not");
	memset(name, 'n', sizeof(name));
	ok(sense_wire_bundle_is_name(name, sizeof(name) - 1) &&
	       !sense_wire_bundle_is_name(name, sizeof(name)),
	   "255 bytes and no more");
}

static void refuses(const char *bytes, size_t len, const char *word, const char *what)
{
	const char *why;
	uint32_t count;
	bool taken = check((const uint8_t *)bytes, len, &count, &why);
	ok(!taken && why && strstr(why, word), "%s: %s", what, why ? why : "taken");
}
#define REFUSES(bytes, word, what) refuses(bytes, sizeof(bytes) - 1, word, what)
#define HEAD             \
	"\x82\xa6"       \
	"format\x01\xa5" \
	"files"

static void hostile(void)
{
	REFUSES("", "ends early", "nothing");
	REFUSES("\x90", "wrong type", "a list");
	REFUSES("\x80", "ends early", "an empty map");
	REFUSES("\x82\xa6"
	        "format\x02\xa5"
	        "files\x90",
	        "format", "a later format");
	REFUSES("\x83\xa6"
	        "format\x01\xa5"
	        "files\x90\xa1z\xc0",
	        "format", "a third member");
	REFUSES("\x82\xa5"
	        "files\x90\xa6"
	        "format\x01",
	        "place", "members out of order");
	REFUSES(HEAD "\xdd\xff\xff\xff\xff", "counts", "four billion files");
	REFUSES(HEAD "\x91\x91\xa1z", "not a name", "a file without text");
	REFUSES(HEAD "\x91\x93\xa1z\xc4\0\xc0", "not a name", "one with something more");
	REFUSES(HEAD "\x91\x92\xa4../z\xc4\0", "name may not", "a name that leads upwards");
	REFUSES(HEAD "\x91\x92\xa2z\0\xc4\0", "name may not", "one with a NUL");
	REFUSES(HEAD "\x91\x92\xa1z\xa1z", "wrong type", "a text that is text");
	REFUSES(HEAD "\x92\x92\xa1y\xc4\0\x92\xa1y\xc4\0", "twice", "a file that comes twice");
	REFUSES(HEAD "\x92\x92\xa1z\xc4\0\x92\xa1y\xc4\0", "order", "files out of order");
	REFUSES(HEAD "\x92\x92\xa2zz\xc4\0\x92\xa1z\xc4\0", "order", "a longer name before a shorter");
	REFUSES(HEAD "\x91\x92\xa1z\xc6\xff\xff\xff\xff", "ends early", "a text of four gigabytes");
}

/* The name of a file that comes behind those with a lower number. */
static const char *number(unsigned i)
{
	static char name[16];
	snprintf(name, sizeof(name), "%05u.lua", i);
	return name;
}

/* count files of len bytes each: whether the writer takes them, and so does the reader when the writer is not
 * asked. */
static void bounds(unsigned count, size_t len, bool fits, const char *what)
{
	size_t cap = SENSE_WIRE_BUNDLE_MAX + ((size_t)1 << 20);
	struct sense_wire_bundle_writer bundle = {.writer = {.data = malloc(cap), .cap = cap}};
	struct sense_wire_writer raw = {.data = malloc(cap), .cap = cap};
	uint8_t *text = calloc(1, len + 1);
	const char *why;
	uint32_t got;

	sense_wire_bundle_put(&bundle, count);
	sense_wire_put_raw(&raw, HEAD, sizeof(HEAD) - 1);
	sense_wire_put_array(&raw, count);
	for (unsigned i = 0; i < count; i++) {
		sense_wire_bundle_put_file(&bundle, number(i), text, len);
		sense_wire_put_array(&raw, 2);
		sense_wire_put_string(&raw, number(i));
		sense_wire_put_bytes(&raw, text, len);
	}
	size_t size = sense_wire_bundle_end(&bundle);
	ok(fits ? size == raw.len && !memcmp(raw.data, bundle.writer.data, size) : !size, "%s: %s", what,
	   fits ? "written" : "not written");
	bool taken = check(raw.data, raw.len, &got, &why);
	ok(taken == fits, "%s: %s", what, why ? why : "taken");
	free(bundle.writer.data);
	free(raw.data);
	free(text);
}

static void not_written(void)
{
	uint8_t data[256];
	struct sense_wire_bundle_writer bundle = {.writer = {.data = data, .cap = sizeof(data)}};

	sense_wire_bundle_put(&bundle, 2);
	sense_wire_bundle_put_file(&bundle, "b", "", 0);
	ok(!sense_wire_bundle_end(&bundle), "a file that is missing");
	sense_wire_bundle_put_file(&bundle, "a", "", 0);
	ok(!sense_wire_bundle_end(&bundle), "one that is out of order");
	sense_wire_bundle_put(&bundle, 1);
	sense_wire_bundle_put_file(&bundle, "a/../b", "", 0);
	ok(!sense_wire_bundle_end(&bundle), "a name that may not be");
	sense_wire_bundle_put(&bundle, 1);
	sense_wire_bundle_put_file(&bundle, "a", "", 0);
	ok(sense_wire_bundle_end(&bundle), "what it said");
	sense_wire_bundle_put_file(&bundle, "b", "", 0);
	ok(!sense_wire_bundle_end(&bundle), "more than it said");
}

int main(void)
{
	uint8_t data[256];
	size_t len = round_trip(data, sizeof(data));

	mangle(takes, encode, data, len);
	names();
	hostile();
	bounds(SENSE_WIRE_BUNDLE_FILES_MAX, 100, true, "2000 files");
	bounds(SENSE_WIRE_BUNDLE_FILES_MAX + 1, 100, false, "2001 files");
	bounds(1, SENSE_WIRE_BUNDLE_TEXT_MAX, true, "256 KiB of text");
	bounds(1, SENSE_WIRE_BUNDLE_TEXT_MAX + 1, false, "a byte more");
	bounds(128, SENSE_WIRE_BUNDLE_TEXT_MAX, true, "32 MiB of text");
	bounds(129, SENSE_WIRE_BUNDLE_TEXT_MAX, false, "a file more");
	not_written();
	return tap_done();
}
