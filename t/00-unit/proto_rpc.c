#include <stdlib.h>

#include "proto/rpc.h"
#include "t/tap.h"

struct outcome {
	enum sense_rpc_scan scan;
	size_t used; /* to where it came to this */
	const char *why;
};

/* Scans pieces of `first` bytes, then of `piece` bytes, each on the heap of its own for the sanitizers. */
static struct outcome scan_split(const uint8_t *data, size_t len, size_t max, size_t first, size_t piece)
{
	struct sense_rpc_scanner scanner;
	struct outcome out = {SENSE_RPC_MORE, 0, NULL};

	sense_rpc_scan_init(&scanner, max);
	for (size_t take = first; out.used < len && out.scan == SENSE_RPC_MORE; take = piece) {
		size_t used;
		if (take > len - out.used)
			take = len - out.used;
		uint8_t *copy = malloc(take ? take : 1);
		memcpy(copy, data + out.used, take);
		out.scan = sense_rpc_scan(&scanner, copy, take, &used);
		out.used += used;
		free(copy);
	}
	out.why = scanner.why;
	return out;
}

static struct outcome scan_whole(const uint8_t *data, size_t len, size_t max)
{
	return scan_split(data, len, max, len, 1);
}

/* Whether no way of cutting it in two, nor byte by byte, comes to anything else. */
static bool splits_alike(const uint8_t *data, size_t len, size_t max)
{
	struct outcome want = scan_whole(data, len, max);
	for (size_t at = 0; at <= len; at++) {
		struct outcome got = scan_split(data, len, max, at, at ? len : 1);
		if (got.scan != want.scan || got.used != want.used || got.why != want.why)
			return false;
	}
	return true;
}

/* ---- messages that are whole --------------------------------------------------------------------------- */

/* A request whose map holds every form of value that there is. */
static const uint8_t every[] =
    "\x94\x00\xcd\x01\x02\xa9Heartbeat\x91\xde\x00\x11"
    "\x01\xc0\x02\xc2\x03\xc3"
    "\x04\xc4\x02zz\xd9\x01k\xc5\x00\x02zz\x06\xc6\x00\x00\x00\x02zz"
    "\x07\xc7\x02\x01zz\x08\xc8\x00\x02\x01zz\x09\xc9\x00\x00\x00\x02\x01zz"
    "\x0a\x96\xca\1\2\3\4\xcb\1\2\3\4\5\6\7\x8\xcc\1\xcd\1\2\xce\1\2\3\4\xcf\1\2\3\4\5\6\7\x8"
    "\x0b\x94\xd0\1\xd1\1\2\xd2\1\2\3\4\xd3\1\2\3\4\5\6\7\x8"
    "\x0c\x95\xd4\1z\xd5\1zz\xd6\1zzzz\xd7\1zzzzzzzz\xd8\1zzzzzzzzzzzzzzzz"
    "\x0d\x93\xd9\1z\xda\0\1z\xdb\0\0\0\1z"
    "\x0e\x92\xdc\0\1\x01\xdd\0\0\0\1\xff"
    "\x0f\x92\xde\0\1\x01\x02\xdf\0\0\0\1\x01\x02"
    "\x10\x94\x90\x80\xdc\0\0\xdf\0\0\0\0"
    "\x11\x93\xc4\0\xa0\xc7\0\1";
#define EVERY (sizeof(every) - 1)

static void whole(void)
{
	struct outcome out = scan_whole(every, EVERY, SENSE_RPC_MESSAGE_MAX);
	struct sense_rpc_message message;
	const char *why;

	ok(out.scan == SENSE_RPC_WHOLE && out.used == EVERY, "a request with every form of value is found");
	ok(splits_alike(every, EVERY, SENSE_RPC_MESSAGE_MAX), "wherever it is cut in two");
	bool early = false;
	for (size_t len = 0; len < EVERY; len++)
		early = early || scan_whole(every, len, SENSE_RPC_MESSAGE_MAX).scan != SENSE_RPC_MORE;
	ok(!early, "and not before its last byte");
	ok(scan_whole(every, EVERY, EVERY).scan == SENSE_RPC_WHOLE, "it may be as large as allowed");
	out = scan_whole(every, EVERY, EVERY - 1);
	ok(out.scan == SENSE_RPC_BROKEN && out.why, "but not larger: %s", out.why ? out.why : "");
	bool good = sense_rpc_parse(every, EVERY, &message, &why);
	ok(good && message.kind == SENSE_RPC_REQUEST && message.id == 0x102 &&
	       sense_wire_is(&message.method, "Heartbeat") && !message.error &&
	       message.body + message.body_len == every + EVERY,
	   "its parts are found: %s", why ? why : "");
}

static void stream(void)
{
	uint8_t data[3 * EVERY + 2];
	struct sense_rpc_scanner scanner;
	size_t at = 0, used;
	unsigned count = 0;

	for (size_t i = 0; i < 3; i++)
		memcpy(data + i * EVERY, every, EVERY);
	memcpy(data + 3 * EVERY, "\x93\x02", 2);
	sense_rpc_scan_init(&scanner, SENSE_RPC_MESSAGE_MAX);
	while (sense_rpc_scan(&scanner, data + at, sizeof(data) - at, &used) == SENSE_RPC_WHOLE) {
		at += used;
		count += at == (count + 1) * EVERY;
	}
	is_num(count, 3, "messages one behind the other are told apart");
	is_num(used, 2, "and the begun one is used up");
	ok(sense_rpc_scan(&scanner, (const uint8_t *)"", 0, &used) == SENSE_RPC_MORE && !used,
	   "nothing more changes nothing");
	ok(sense_rpc_scan(&scanner, (const uint8_t *)"\xa1x\x91\x80", 4, &used) == SENSE_RPC_WHOLE &&
	       used == 4,
	   "then it ends");
	ok(sense_rpc_scan(&scanner, (const uint8_t *)"\xc0", 1, &used) == SENSE_RPC_BROKEN &&
	       sense_rpc_scan(&scanner, every, EVERY, &used) == SENSE_RPC_BROKEN && !used,
	   "behind what is none there is nothing any more");
}

/* ---- streams that are broken --------------------------------------------------------------------------- */

static void breaks(const char *bytes, size_t len, size_t at, const char *word, const char *what)
{
	const uint8_t *data = (const uint8_t *)bytes;
	struct outcome out = scan_whole(data, len, SENSE_RPC_MESSAGE_MAX);
	ok(out.scan == SENSE_RPC_BROKEN && out.used == at && strstr(out.why, word), "%s: %s", what,
	   out.why ? out.why : "");
	ok(splits_alike(data, len, SENSE_RPC_MESSAGE_MAX), "however it is split");
}
#define BREAKS(bytes, at, word, what) breaks(bytes, sizeof(bytes) - 1, at, word, what)

static void depths(void)
{
	char deep[40] = "\x93\x02\xa1x";
	size_t at = 4;

	for (unsigned depth = 1; depth < SENSE_RPC_DEPTH_MAX; depth++)
		deep[at++] = (char)0x91;
	deep[at] = (char)0xc0;
	struct outcome out = scan_whole((const uint8_t *)deep, at + 1, SENSE_RPC_MESSAGE_MAX);
	ok(out.scan == SENSE_RPC_WHOLE && out.used == at + 1, "sixteen arrays within each other");
	deep[at] = (char)0x90;
	breaks(deep, at + 1, at + 1, "deeper", "one more, though it is empty");
	deep[at] = (char)0x81;
	breaks(deep, at + 1, at + 1, "deeper", "or a map");
	char *bomb = malloc(100000);
	memset(bomb, 0x91, 100000);
	memcpy(bomb, "\x93\x02\xa1x", 4);
	out = scan_whole((uint8_t *)bomb, 100000, SENSE_RPC_MESSAGE_MAX);
	ok(out.scan == SENSE_RPC_BROKEN && out.used == 4 + SENSE_RPC_DEPTH_MAX,
	   "a hundred thousand are refused early");
	free(bomb);
}

static void hostile(void)
{
	BREAKS("GET / HTTP/1.1\r\n\r\n", 0, "no message", "HTTP");
	BREAKS("\x16\x03\x01\x02\x00", 0, "no message", "TLS within TLS");
	BREAKS("\xc1", 0, "no message", "the byte that is never used");
	BREAKS("\xc0", 0, "no message", "nil");
	BREAKS("\x82\x00\x00\x00\x00", 0, "no message", "a map");
	BREAKS("\x90", 1, "no message", "an empty array");
	BREAKS("\x92\x00\x00", 1, "no message", "an array of two");
	BREAKS("\x95\x00\x00", 1, "no message", "an array of five");
	BREAKS("\xdd\xff\xff\xff\xff", 5, "no message", "an array of four billion");
	BREAKS("\x94\x00\x00\xc1", 3, "not use", "the byte that is never used, as a method");
	BREAKS("\x94\x00\x00\xa1m\x91\xdf\xff\xff\xff\xff", 11, "larger", "a map of four billion");
	BREAKS("\x94\x00\x00\xa1m\x91\xdf\x00\x20\x00\x00", 11, "counts", "a map of two million");
	BREAKS("\x94\x00\x00\xa1m\x91\xdd\xff\xff\xff\xff", 11, "counts", "an array of four billion");
	BREAKS("\x94\x00\x00\xa1m\x91\xc6\xff\xff\xff\xff", 11, "larger", "four billion bytes");
	BREAKS("\x94\x00\x00\xa1m\x91\xdb\x00\x40\x00\x00", 11, "larger", "a string of four million");
	BREAKS("\x94\x00\x00\xa1m\x91\xc9\xff\xff\xff\xff\x01", 11, "larger", "an extension of four billion");
	/* Each fits alone: what counts is all that is promised. */
	BREAKS("\x94\x00\x00\xa1m\x91\x92\xdd\x00\x30\x00\x00\xdd\x00\x30\x00\x00", 17, "counts",
	       "two arrays of three million");
	BREAKS("\x94\x00\x00\xa1m\x91\x92\xdd\x00\x3f\xff\x00\xc5\x01\x00", 15, "larger",
	       "an array that leaves no room");
	depths();
}

/* Any change of a byte comes to the same however it is split; and parsing what is whole never fails silently.
 */
static void flip(void)
{
	struct sense_rpc_message message;
	uint8_t copy[EVERY];
	unsigned unlike = 0, silent = 0;
	const char *why;

	for (size_t i = 0; i < EVERY; i++)
		for (unsigned bit = 1; bit < 256; bit++) {
			memcpy(copy, every, EVERY);
			copy[i] ^= (uint8_t)bit;
			struct outcome one = scan_whole(copy, EVERY, 1024);
			struct outcome many = scan_split(copy, EVERY, 1024, 1, 1);
			unlike += one.scan != many.scan || one.used != many.used || one.why != many.why;
			if (one.scan == SENSE_RPC_WHOLE)
				silent += !sense_rpc_parse(copy, one.used, &message, &why) && !why;
		}
	is_num(unlike, 0, "each changed byte comes to the same at once and byte by byte");
	is_num(silent, 0, "and what is no message is refused with a reason");
}

/* ---- parts --------------------------------------------------------------------------------------------- */

static void written(void)
{
	uint8_t out[128];
	struct sense_wire_writer writer = {.data = out, .cap = sizeof(out)};
	struct sense_rpc_message message;
	const char *why;

	sense_rpc_put_request(&writer, 4000000000u, "GetCommands");
	sense_wire_put_map(&writer, 0);
	ok(scan_whole(out, writer.len, 64).scan == SENSE_RPC_WHOLE &&
	       sense_rpc_parse(out, writer.len, &message, &why),
	   "a request");
	ok(message.kind == SENSE_RPC_REQUEST && message.id == 4000000000u &&
	       sense_wire_is(&message.method, "GetCommands") && message.body_len == 1 &&
	       *message.body == 0x80 && !message.error,
	   "and its parts");
	writer.len = 0;
	sense_rpc_put_notification(&writer, "PolicyChanged");
	sense_wire_put_map(&writer, 1);
	sense_wire_put_string(&writer, "generation");
	sense_wire_put_uint(&writer, 5);
	ok(scan_whole(out, writer.len, 64).scan == SENSE_RPC_WHOLE &&
	       sense_rpc_parse(out, writer.len, &message, &why) && message.kind == SENSE_RPC_NOTIFICATION &&
	       message.body_len == 13,
	   "a notification");
	writer.len = 0;
	sense_rpc_put_result(&writer, 7);
	sense_wire_put_raw(&writer, "\x81\x01\x02", 3);
	ok(scan_whole(out, writer.len, 64).scan == SENSE_RPC_WHOLE &&
	       sense_rpc_parse(out, writer.len, &message, &why) && message.kind == SENSE_RPC_RESPONSE &&
	       message.id == 7 && message.body_len == 3 && !message.error && !message.method.text,
	   "a result");
	writer.len = 0;
	sense_rpc_put_error(&writer, 8);
	sense_wire_put_map(&writer, 0);
	sense_rpc_end_error(&writer);
	ok(scan_whole(out, writer.len, 64).scan == SENSE_RPC_WHOLE &&
	       sense_rpc_parse(out, writer.len, &message, &why) && message.kind == SENSE_RPC_RESPONSE &&
	       message.id == 8 && message.error_len == 1 && !message.body,
	   "an error");
	ok(!writer.full, "all of it had room");
	writer.cap = 3;
	writer.len = 0;
	sense_rpc_put_request(&writer, 1, "GetCommands");
	ok(writer.full, "where there is no room, the writer says so");
}

static void refuses(const char *bytes, size_t len, const char *word, const char *what)
{
	struct sense_rpc_message message;
	const char *why = NULL;
	uint8_t *copy = malloc(len ? len : 1);
	memcpy(copy, bytes, len);
	bool taken = sense_rpc_parse(copy, len, &message, &why);
	ok(!taken && why && strstr(why, word), "%s: %s", what, why ? why : "");
	free(copy);
}
#define REFUSES(bytes, word, what) refuses(bytes, sizeof(bytes) - 1, word, what)

static void parse(void)
{
	REFUSES("", "early", "nothing");
	REFUSES("\x93\x03\xa1m\x91\x80", "range", "a kind that is not known");
	REFUSES("\x93\xff\xa1m\x91\x80", "range", "a negative kind");
	REFUSES("\x93\x00\x01\xa1m", "parts", "a request of three parts");
	REFUSES("\x94\x02\xa1m\x91\x80\xc0", "parts", "a notification of four parts");
	REFUSES("\x94\x00\xff\xa1m\x91\x80", "range", "a negative id");
	REFUSES("\x94\x00\xcf\0\0\0\1\0\0\0\0\xa1m\x91\x80", "range", "an id of more than 32 bits");
	REFUSES("\x94\x00\x01\xa0\x91\x80", "empty", "no name of a method");
	REFUSES("\x94\x00\x01\xd9\x21zzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzz\x91\x80", "too long",
	        "a name of 33 bytes");
	REFUSES("\x94\x00\x01\xa2m\n\x91\x80", "ASCII", "a name with a line break");
	REFUSES("\x94\x00\x01\xc4\x01m\x91\x80", "type", "a name of bytes");
	REFUSES("\x94\x00\x01\xa1m\x90\x90", "one map", "no parameters");
	REFUSES("\x94\x00\x01\xa1m\x92\x80\x80", "one map", "two parameters");
	REFUSES("\x94\x00\x01\xa1m\x91\x90", "type", "a parameter that is an array");
	REFUSES("\x94\x00\x01\xa1m\x80", "type", "parameters that are a map");
	REFUSES("\x94\x01\x01\xc0\xc0", "type", "neither error nor result");
	REFUSES("\x94\x01\x01\x80\x80", "type", "both error and result");
	REFUSES("\x94\x01\x01\xa1x\xc0", "type", "an error that is text");
	REFUSES("\x94\x01\x01\xc0\x01", "type", "a result that is a number");
	REFUSES("\x94\x00\x01\xa1m\x91\x80\xc0", "behind", "a byte behind it");
	REFUSES("\x94\x00\x01\xa1m\x91\x82\x01", "early", "a map that ends early");
	for (size_t len = 0; len < EVERY; len++) {
		struct sense_rpc_message message;
		const char *why = NULL;
		uint8_t *copy = malloc(len ? len : 1);
		memcpy(copy, every, len);
		if (sense_rpc_parse(copy, len, &message, &why) || !why)
			ok(false, "cut at byte %zu it is taken", len);
		free(copy);
	}
	ok(true, "cut anywhere it is refused with a reason");
}

int main(void)
{
	whole();
	stream();
	hostile();
	flip();
	written();
	parse();
	return tap_done();
}
