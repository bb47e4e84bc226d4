#include <math.h>
#include <stdlib.h>

#include "proto/finding.h"
#include "proto/uuid.h"
#include "t/tap.h"

static struct sense_finding full(void)
{
	return (struct sense_finding){
	    .id = {1, 0x8b, 0xcf, 0xe5, 0x68, 0, 0x70, 1, 0x80, 2, 3, 4, 5, 6, 7, 8},
	    .timestamp = UINT64_C(1700000000123456),
	    .type = "service",
	    .severity = "medium",
	    .rule = "ai.chat",
	    .policy = "chat",
	    .source_ip = "10.1.2.3",
	    .source_port = 40000,
	    .dest_ip = "2001:db8::1",
	    .dest_port = 443,
	    .host = "claude.ai",
	    .service = "claude",
	    .service_name = "Claude",
	    .category = "chat",
	    .confidence = 95,
	    .evidence_count = 2,
	    .evidence = {"sni:claude.ai (exact, grade A)", "client:Claude Code"},
	    .process = "claude",
	    .user = "j\xc3\xb6rg",
	    .summary = "Claude (Anthropic) used: claude.ai from 10.1.2.3",
	    .detail_count = 5,
	    .details = {{.key = "bytes_up", .type = SENSE_DETAIL_NUMBER, .number = 123456789},
			{.key = "score", .type = SENSE_DETAIL_NUMBER, .number = -0.25},
			{.key = "below", .type = SENSE_DETAIL_NUMBER, .number = -70000},
			{.key = "alpn", .type = SENSE_DETAIL_STRING, .string = "h2"},
			{.key = "quic", .type = SENSE_DETAIL_BOOL, .boolean = true}},
	    .tag_count = 1,
	    .tags = {"atlas:AML.T0024"},
	    .action = "alert"};
}

/* A string of exactly this size on the heap, so that a sanitizer sees the first byte too many. */
static bool decode(const uint8_t *data, size_t len, char *storage, struct sense_finding *out,
		   const char **why)
{
	uint8_t *copy = malloc(len ? len : 1);
	if (len)
		memcpy(copy, data, len);
	bool good = sense_finding_decode(copy, len, storage, SENSE_FINDING_BYTES_MAX, out, why);
	free(copy);
	return good;
}

static void same(const struct sense_finding *a, const struct sense_finding *b)
{
	ok(!memcmp(a->id, b->id, 16) && a->timestamp == b->timestamp, "id and time");
	is_str(a->type, b->type, "type");
	is_str(a->severity, b->severity, "severity");
	is_str(a->rule, b->rule, "rule");
	is_str(a->policy, b->policy, "policy");
	is_str(a->source_ip, b->source_ip, "source");
	is_str(a->dest_ip, b->dest_ip, "destination");
	ok(a->source_port == b->source_port && a->dest_port == b->dest_port, "ports");
	is_str(a->host, b->host, "host");
	is_str(a->service, b->service, "service");
	is_str(a->service_name, b->service_name, "its name");
	is_str(a->category, b->category, "its category");
	is_num(a->confidence, b->confidence, "confidence");
	is_num(a->evidence_count, b->evidence_count, "pieces of evidence");
	for (unsigned i = 0; i < b->evidence_count; i++)
		is_str(a->evidence[i], b->evidence[i], "evidence %u", i);
	is_str(a->process, b->process, "process");
	is_str(a->user, b->user, "user");
	is_str(a->summary, b->summary, "summary");
	is_num(a->detail_count, b->detail_count, "details");
	for (unsigned i = 0; i < b->detail_count; i++)
		ok(!strcmp(a->details[i].key, b->details[i].key) &&
		       a->details[i].type == b->details[i].type &&
		       a->details[i].number == b->details[i].number &&
		       a->details[i].boolean == b->details[i].boolean,
		   "detail %s", b->details[i].key);
	is_str(a->details[3].string, b->details[3].string, "text of a detail");
	is_num(a->tag_count, b->tag_count, "tags");
	is_str(a->tags[0], b->tags[0], "tag");
	is_str(a->action, b->action, "action");
}

static void round_trip(uint8_t *data, size_t *len)
{
	static char storage[SENSE_FINDING_BYTES_MAX];
	struct sense_finding want = full(), got;
	const char *why = "unset";

	*len = sense_finding_encode(&want, data, SENSE_FINDING_BYTES_MAX);
	ok(*len, "encoded, %zu bytes", *len);
	ok(decode(data, *len, storage, &got, &why) && !why, "decoded");
	same(&got, &want);

	struct sense_finding bare = {.timestamp = 1, .rule = "r", .severity = "low"};
	uint8_t small[256];
	size_t size = sense_finding_encode(&bare, small, sizeof(small));
	ok(size && decode(small, size, storage, &got, &why) && !got.host && !got.summary && !got.detail_count,
	   "what is not known stays unknown");
	bare.summary = "bad \xff utf8";
	size = sense_finding_encode(&bare, small, sizeof(small));
	ok(size && decode(small, size, storage, &got, &why), "bytes that are not UTF-8 can be sent");
	is_str(got.summary, "bad ? utf8", "as question marks");
}

static void cut(const uint8_t *data, size_t len)
{
	static char storage[SENSE_FINDING_BYTES_MAX];
	struct sense_finding got;
	const char *why;
	uint8_t out[1024];
	unsigned taken = 0, written = 0;
	struct sense_finding want = full();

	for (size_t i = 0; i < len; i++) {
		why = NULL;
		taken += decode(data, i, storage, &got, &why) || !why;
		written += sense_finding_encode(&want, out, i) != 0;
	}
	is_num(taken, 0, "cut at any byte it is refused with a reason");
	is_num(written, 0, "and is never written to too small a buffer");
	/* Storage of exactly that size on the heap, so that a sanitizer sees the first byte too many. */
	bool before = false, steady = true;
	for (size_t room = 0; room < 400; room++) {
		char *small = malloc(room + 1);
		bool good = sense_finding_decode(data, len, small, room, &got, &why);
		steady = steady && (good || !before);
		before = good;
		free(small);
	}
	ok(before && steady, "it is read when the storage is large enough, and not before");
	uint8_t longer[1024];
	memcpy(longer, data, len);
	longer[len] = 0xc0;
	bool good = decode(longer, len + 1, storage, &got, &why);
	ok(!good && strstr(why, "behind"), "bytes behind it are refused");
}

static void flip(const uint8_t *data, size_t len)
{
	static char storage[SENSE_FINDING_BYTES_MAX];
	struct sense_finding got;
	const char *why;
	uint8_t *copy = malloc(len);
	unsigned silent = 0;

	for (size_t i = 0; i < len; i++)
		for (unsigned bit = 0; bit < 256; bit += 3) {
			memcpy(copy, data, len);
			copy[i] ^= (uint8_t)bit;
			why = NULL;
			silent += !decode(copy, len, storage, &got, &why) && !why;
		}
	is_num(silent, 0, "each changed byte is taken, or refused with a reason");
	free(copy);
}

/* A finding that has all it needs, and one more key with the given value. */
static bool takes(const char *key, const char *value, size_t len, const char **why)
{
	static char storage[SENSE_FINDING_BYTES_MAX];
	static const uint8_t head[] = "\x85\xa2id\xc4\x10"
				      "0123456789abcdef"
				      "\xa9timestamp\x01\xa4rule\xa1r\xa8severity\xa3low";
	uint8_t data[4096];
	struct sense_finding got;
	size_t at = sizeof(head) - 1;

	memcpy(data, head, at);
	data[at++] = (uint8_t)(0xa0 | strlen(key));
	memcpy(data + at, key, strlen(key));
	at += strlen(key);
	memcpy(data + at, value, len);
	return decode(data, at + len, storage, &got, why);
}
#define TAKES(key, value) takes(key, value, sizeof(value) - 1, &why)
#define REFUSES(key, value, what)                               \
	do {                                                    \
		bool taken = TAKES(key, value);                 \
		ok(!taken && why, what ": %s", why ? why : ""); \
	} while (0)

static void refuses(const uint8_t *data, size_t len, const char *what)
{
	static char storage[16];
	struct sense_finding got;
	const char *why = NULL;
	bool taken = decode(data, len, storage, &got, &why);
	ok(!taken && why, "%s: %s", what, why ? why : "");
}

static void hostile(void)
{
	const char *why = NULL;
	char deep[2000];

	ok(TAKES("host", "\xa2"
			 "ab"),
	   "the frame of these tests is sound");
	ok(TAKES("later", "\x93\x01\xc0\x81\xa1k\x92\xc2\xcb\1\2\3\4\5\6\7\x8"), "an unknown key is skipped");
	ok(TAKES("later", "\xc7\x02\x05"
			  "ab") &&
	       TAKES("later", "\xd8\1"
			      "0123456789abcdef"),
	   "with an extension");
	memset(deep, 0x91, sizeof(deep));
	deep[sizeof(deep) - 1] = (char)0xc0;
	ok(takes("later", deep, sizeof(deep), &why), "and however deep its value nests");
	REFUSES("later", "\xdd\xff\xff\xff\xff", "four billion values");
	REFUSES("later", "\xdf\xff\xff\xff\xff\xc0", "as a map");
	REFUSES("later", "\xc6\xff\xff\xff\xff", "four billion bytes");
	REFUSES("later", "\xc1", "the unused byte");
	REFUSES("host",
		"\xdb\xff\xff\xff\xff"
		"ab",
		"a string longer than the input");
	REFUSES("host",
		"\xa2"
		"a\0",
		"a NUL within text");
	REFUSES("host", "\xa2\xc0\xaf", "an overlong character");
	REFUSES("host", "\xa3\xed\xa0\x80", "a surrogate");
	REFUSES("host", "\x05", "a number for text");
	REFUSES("source_port", "\xce\0\1\0\0", "a port of 65536");
	REFUSES("source_port", "\xff", "a port of -1");
	REFUSES("confidence", "\x65", "a confidence of 101");
	REFUSES("id",
		"\xc4\x0f"
		"0123456789abcde",
		"an id of 15 bytes");
	REFUSES("evidence", "\x99\xa0\xa0\xa0\xa0\xa0\xa0\xa0\xa0\xa0", "nine pieces of evidence");
	REFUSES("details", "\x81\xa1k\x90", "a list as a detail");
	REFUSES("details", "\x81\xa1k\xcb\x7f\xf0\0\0\0\0\0\0", "an infinite detail");
	REFUSES("details", "\xde\0\x19", "25 details");

	refuses((const uint8_t *)"\x80", 1, "an empty map");
	refuses((const uint8_t *)"\x90", 1, "a list");
	refuses(NULL, 0, "nothing");
	uint8_t *large = calloc(1, SENSE_FINDING_BYTES_MAX + 1);
	refuses(large, SENSE_FINDING_BYTES_MAX + 1, "too much");
	free(large);
}

static void refused(void)
{
	uint8_t out[1024];
	struct sense_finding f = full();
	f.details[0].number = INFINITY;
	is_num(sense_finding_encode(&f, out, sizeof(out)), 0, "an infinite detail is not sent");
	f = full();
	f.detail_count = SENSE_FINDING_DETAILS_MAX + 1;
	is_num(sense_finding_encode(&f, out, sizeof(out)), 0, "nor more details than there may be");
	f = full();
	f.rule = NULL;
	is_num(sense_finding_encode(&f, out, sizeof(out)), 0, "nor a finding of no rule");
}

int main(void)
{
	uint8_t data[SENSE_FINDING_BYTES_MAX];
	size_t len;
	char id[37];

	round_trip(data, &len);
	cut(data, len);
	flip(data, len);
	hostile();
	refused();
	struct sense_finding f = full();
	sense_uuid_text(f.id, id);
	is_str(id, "018bcfe5-6800-7001-8002-030405060708", "an id in text");
	return tap_done();
}
