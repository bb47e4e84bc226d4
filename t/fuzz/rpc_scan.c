/*
 * Where messages end: the scanner, fed in pieces, must come to what a plain recursive walk over all bytes at
 * once comes to, at each length. The first three bytes say how large a message may be and where the pieces
 * end.
 */
#include <stdlib.h>
#include <string.h>

#include "proto/rpc.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void check(bool holds)
{
	if (!holds)
		abort();
}

/* ---- the reference ------------------------------------------------------------------------------------- */

struct walk {
	const uint8_t *data;
	size_t len, at, max;
	enum sense_rpc_scan outcome; /* WHOLE as long as nothing is wrong or missing */
};

static bool stop(struct walk *walk, enum sense_rpc_scan outcome)
{
	walk->outcome = outcome;
	return false;
}

/* Bytes that are needed from here on, at the least, must fit; of them `bytes` are taken when they are there.
 */
static bool take(struct walk *walk, uint64_t bytes, uint64_t after)
{
	if (bytes > walk->max - walk->at || after > walk->max - walk->at - bytes)
		return stop(walk, SENSE_RPC_BROKEN);
	if (bytes > walk->len - walk->at)
		return stop(walk, SENSE_RPC_MORE);
	walk->at += bytes;
	return true;
}

static uint64_t number(const uint8_t *at, size_t bytes)
{
	uint64_t out = 0;
	while (bytes--)
		out = out << 8 | *at++;
	return out;
}

static bool value(struct walk *walk, unsigned depth, uint64_t after);

static bool items(struct walk *walk, unsigned depth, uint64_t count, uint64_t after)
{
	if (!depth && count != 3 && count != 4)
		return stop(walk, SENSE_RPC_BROKEN);
	if (depth >= SENSE_RPC_DEPTH_MAX || count > walk->max || !take(walk, 0, after + count))
		return stop(walk, SENSE_RPC_BROKEN);
	while (count--)
		if (!value(walk, depth + 1, after + count))
			return false;
	return true;
}

static bool value(struct walk *walk, unsigned depth, uint64_t after)
{
	static const uint8_t plain[] = {0, 0, 0, 0, 1, 2, 4, 0, 0, 0, 4, 8, 1,
	                                2, 4, 8, 1, 2, 4, 8, 2, 3, 5, 9, 17};
	const uint8_t *at = walk->data + walk->at;
	uint8_t first, lengths = 0;

	if (walk->at == walk->len)
		return stop(walk, SENSE_RPC_MORE);
	first = *at;
	if (first == 0xc1 || (!depth && first >> 4 != 9 && first != 0xdc && first != 0xdd))
		return stop(walk, SENSE_RPC_BROKEN);
	switch (first) {
	case 0xc4:
	case 0xc7:
	case 0xd9:
		lengths = 1;
		break;
	case 0xc5:
	case 0xc8:
	case 0xda:
	case 0xdc:
	case 0xde:
		lengths = 2;
		break;
	case 0xc6:
	case 0xc9:
	case 0xdb:
	case 0xdd:
	case 0xdf:
		lengths = 4;
		break;
	}
	if (!take(walk, 1u + lengths, after))
		return false;
	if (first >> 4 == 8)
		return items(walk, depth, 2 * (first & 15u), after);
	if (first >> 4 == 9)
		return items(walk, depth, first & 15u, after);
	if (first >> 5 == 5)
		return take(walk, first & 31u, after);
	if (first < 0xc0 || first > 0xdf)
		return true;
	uint64_t length = number(at + 1, lengths);
	if (first >= 0xde)
		return items(walk, depth, 2 * length, after);
	if (first >= 0xdc)
		return items(walk, depth, length, after);
	if (lengths)
		return take(walk, length + (first >= 0xc7 && first <= 0xc9), after);
	return take(walk, plain[first - 0xc0], after);
}

/* ---- against it ---------------------------------------------------------------------------------------- */

static enum sense_rpc_scan scan(const uint8_t *data, size_t len, size_t max, uint32_t seed, size_t *ended)
{
	struct sense_rpc_scanner scanner;
	enum sense_rpc_scan outcome = SENSE_RPC_MORE;

	sense_rpc_scan_init(&scanner, max);
	for (*ended = 0; *ended < len && outcome == SENSE_RPC_MORE;) {
		size_t left = len - *ended, piece = seed ? 1 + (seed >> 16) % 7 : left, used;
		seed = seed * 1664525 + 1013904223;
		piece = piece < left ? piece : left;
		uint8_t *copy = malloc(piece);
		memcpy(copy, data + *ended, piece);
		outcome = sense_rpc_scan(&scanner, copy, piece, &used);
		check(used <= piece && (outcome != SENSE_RPC_MORE || used == piece));
		check((outcome == SENSE_RPC_BROKEN) == (scanner.why != NULL));
		free(copy);
		*ended += used;
		check(outcome != SENSE_RPC_WHOLE || *ended <= max);
	}
	return outcome;
}

/* A message: what can be parsed can be written, and is the same. */
static void parts(const uint8_t *data, size_t len)
{
	struct sense_rpc_message message, again;
	const char *why;
	char method[SENSE_RPC_METHOD_MAX + 1] = "";

	if (!sense_rpc_parse(data, len, &message, &why)) {
		check(why != NULL);
		return;
	}
	check(!message.body != !message.error &&
	      !message.method.text == (message.kind == SENSE_RPC_RESPONSE));
	if (message.method.text)
		memcpy(method, message.method.text, message.method.len);
	uint8_t *out = malloc(len);
	struct sense_wire_writer writer = {.data = out, .cap = len};
	if (message.kind == SENSE_RPC_REQUEST)
		sense_rpc_put_request(&writer, message.id, method);
	else if (message.kind == SENSE_RPC_NOTIFICATION)
		sense_rpc_put_notification(&writer, method);
	else if (message.body)
		sense_rpc_put_result(&writer, message.id);
	else
		sense_rpc_put_error(&writer, message.id);
	sense_wire_put_raw(&writer, message.body ? message.body : message.error,
	                   message.body ? message.body_len : message.error_len);
	if (message.error)
		sense_rpc_end_error(&writer);
	size_t ended;
	check(!writer.full && scan(out, writer.len, writer.len, 0, &ended) == SENSE_RPC_WHOLE &&
	      ended == writer.len);
	check(sense_rpc_parse(out, writer.len, &again, &why) && again.kind == message.kind &&
	      again.id == message.id && again.body_len == message.body_len &&
	      again.error_len == message.error_len);
	free(out);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	size_t max, ended;

	if (size < 3)
		return 0;
	max = data[0] & 0x80 ? SENSE_RPC_MESSAGE_MAX : (size_t)(data[0] << 8 | data[1]) % 2000;
	uint32_t seed = 1 + data[2];
	data += 3;
	size -= 3;
	for (unsigned messages = 0; size && messages < 16; messages++) {
		struct walk walk = {.data = data, .len = size, .max = max, .outcome = SENSE_RPC_WHOLE};
		value(&walk, 0, 0);
		check(scan(data, size, max, 0, &ended) == walk.outcome);
		check(walk.outcome != SENSE_RPC_WHOLE || ended == walk.at);
		size_t split;
		check(scan(data, size, max, seed, &split) == walk.outcome && split == ended);
		if (walk.outcome != SENSE_RPC_WHOLE)
			break;
		parts(data, ended);
		data += ended;
		size -= ended;
	}
	return 0;
}
