#include "core/names/tls.h"

#include <stdlib.h>
#include <string.h>

#include "core/names/cursor.h"
#include "core/names/pieces.h"

enum {
	RECORD_HEADER = 5,
	RECORD_MAX = 16384 + 2048, /* TLSCiphertext of TLS 1.2 (RFC 5246, 6.2.3) */
	MESSAGE_HEADER = 4,
	CONTENT_CHANGE_CIPHER_SPEC = 20,
	CONTENT_HANDSHAKE = 22,
	CONTENT_HEARTBEAT = 24
};

#define BACK 4096u /* room for segments from before the first one seen, when the SYN was not */
#define RAW_MAX (SENSE_HELLO_MAX + 4096u) /* the hello and the headers of its records */
#define FED_MAX (4 * SENSE_HELLO_MAX)
#define FED_MAX_UNLIKE SENSE_HELLO_MAX

struct sense_tls {
	uint32_t base; /* sequence number of pieces.data[0] */
	uint32_t need; /* complete bytes below which another look is in vain */
	uint32_t fed;  /* bytes given so far, repeated ones too */
	bool floating; /* the start is not known */
	bool records;  /* some segment began with a TLS record */
	struct sense_pieces pieces;
};

/* What the complete bytes at the start of a direction are. */
struct look {
	const uint8_t *run;
	size_t len;
	size_t need; /* set with SENSE_TLS_MORE */
};

/* A record header, or as much of one as there is. */
static bool is_record(const uint8_t *at, size_t len)
{
	if (at[0] < CONTENT_CHANGE_CIPHER_SPEC || at[0] > CONTENT_HEARTBEAT)
		return false;
	if ((len > 1 && at[1] != 3) || (len > 2 && at[2] > 4))
		return false;
	if (len < RECORD_HEADER)
		return true;
	unsigned size = sense_be16(at + 3);
	return size > 0 && size <= RECORD_MAX;
}

/* Records that hold no hello; the one behind the first must be a record too, as far as it is there. */
static enum sense_tls_result records_or_no(const uint8_t *run, size_t len)
{
	if (len < RECORD_HEADER)
		return SENSE_TLS_NO;
	size_t next = RECORD_HEADER + (size_t)sense_be16(run + 3);
	return next >= len || is_record(run + next, len - next) ? SENSE_TLS_RECORDS : SENSE_TLS_NO;
}

/*
 * Handshake bytes of the records in the run, copied to out (of size max) without the headers.
 * *end gets the position behind them. Returns their number, or -1 where other records follow.
 */
static long gather(const struct look *look, uint8_t *out, size_t max, size_t *end)
{
	size_t pos = 0, got = 0;
	while (got < max && pos < look->len) {
		const uint8_t *record = look->run + pos;
		if (!is_record(record, look->len - pos) || record[0] != CONTENT_HANDSHAKE)
			return -1;
		if (look->len - pos <= RECORD_HEADER) {
			pos = look->len;
			break;
		}
		size_t part = sense_be16(record + 3);
		if (part > look->len - pos - RECORD_HEADER)
			part = look->len - pos - RECORD_HEADER;
		if (part > max - got)
			part = max - got;
		memcpy(out + got, record + RECORD_HEADER, part);
		got += part;
		pos += RECORD_HEADER + part;
	}
	*end = pos;
	return (long)got;
}

static enum sense_tls_result read_message(const uint8_t *msg, size_t len, struct sense_hello *hello)
{
	if (msg[0] == SENSE_TLS_CLIENT_HELLO_TYPE)
		return sense_hello_parse(msg, len, false, hello) ? SENSE_TLS_RECORDS
		                                                 : SENSE_TLS_CLIENT_HELLO;
	*hello = (struct sense_hello){.version = sense_server_hello_version(msg, len)};
	return hello->version ? SENSE_TLS_SERVER_HELLO : SENSE_TLS_RECORDS;
}

/* A hello that spans several records (RFC 8446, 5.1): joined in a buffer of its own. */
static enum sense_tls_result read_joined(struct look *look, size_t size, struct sense_hello *hello)
{
	size_t end = 0;
	uint8_t *msg = malloc(size);
	enum sense_tls_result result = SENSE_TLS_RECORDS;
	if (!msg)
		goto out;
	long got = gather(look, msg, size, &end);
	if (got < 0)
		goto out;
	if ((size_t)got < size) {
		look->need = end + size - (size_t)got;
		result = SENSE_TLS_MORE;
		goto out;
	}
	result = read_message(msg, size, hello);
out:
	free(msg);
	return result;
}

static enum sense_tls_result look_at(struct look *look, struct sense_hello *hello)
{
	uint8_t head[MESSAGE_HEADER];
	size_t end = 0;
	if (!is_record(look->run, look->len))
		return SENSE_TLS_NO;
	look->need = look->len + 1;
	if (look->len < RECORD_HEADER)
		return SENSE_TLS_MORE;
	if (look->run[0] != CONTENT_HANDSHAKE)
		return records_or_no(look->run, look->len);
	long got = gather(look, head, sizeof head, &end);
	if (got < 0)
		return records_or_no(look->run, look->len);
	if (got > 0 && head[0] != SENSE_TLS_CLIENT_HELLO_TYPE && head[0] != SENSE_TLS_SERVER_HELLO_TYPE)
		return records_or_no(look->run, look->len);
	if (got < MESSAGE_HEADER)
		return SENSE_TLS_MORE;
	size_t size = MESSAGE_HEADER + sense_be24(head + 1);
	if (size > SENSE_HELLO_MAX)
		return SENSE_TLS_RECORDS;
	if (sense_be16(look->run + 3) < size)
		return read_joined(look, size, hello);
	look->need = RECORD_HEADER + size;
	if (look->len < look->need)
		return SENSE_TLS_MORE;
	return read_message(look->run + RECORD_HEADER, size, hello);
}

void sense_tls_free(sense_tls *state)
{
	if (!state)
		return;
	sense_pieces_fini(&state->pieces);
	free(state);
}

bool sense_tls_begun(const sense_tls *state)
{
	return state && (state->records || !state->floating);
}

static sense_tls *state_new(uint32_t seq, bool start_known, uint32_t start)
{
	sense_tls *tls = malloc(sizeof *tls);
	if (!tls)
		return NULL;
	*tls = (sense_tls){.base = start_known ? start : seq - BACK, .floating = !start_known};
	sense_pieces_init(&tls->pieces, RAW_MAX + (start_known ? 0 : BACK), !start_known);
	return tls;
}

/* Adds a segment, which may begin before the stream and end behind what is kept. */
static bool add(sense_tls *tls, uint32_t seq, const uint8_t *data, size_t len)
{
	int32_t at = (int32_t)(seq - tls->base); /* modulo 2^32: sequence numbers wrap */
	if (len >= RECORD_HEADER && is_record(data, len))
		tls->records = true;
	tls->fed = len < FED_MAX - tls->fed ? tls->fed + (uint32_t)len : FED_MAX;
	if (at < 0) {
		uint32_t before = 0u - (uint32_t)at;
		if (before >= len)
			return true;
		data += before;
		len -= before;
		at = 0;
	}
	return sense_pieces_add(&tls->pieces, (uint32_t)at, data, len);
}

/* Looks at what is complete, once there is enough of it for the answer to differ. */
static enum sense_tls_result look_again(sense_tls *tls, struct sense_hello *hello)
{
	const struct sense_pieces *pieces = &tls->pieces;
	uint32_t from = pieces->from;
	if (pieces->whole == from || pieces->whole < tls->need)
		return SENSE_TLS_MORE;
	struct look look = {.run = pieces->data + from, .len = pieces->whole - from};
	enum sense_tls_result result = look_at(&look, hello);
	if (result == SENSE_TLS_MORE)
		tls->need = from + (uint32_t)look.need;
	/* The true beginning may still come, from before what looks like none. */
	if (result == SENSE_TLS_NO && tls->floating) {
		tls->need = 0;
		return SENSE_TLS_MORE;
	}
	return result;
}

static bool is_spent(const sense_tls *tls)
{
	return tls->fed >= (tls->records || !tls->floating ? FED_MAX : FED_MAX_UNLIKE);
}

enum sense_tls_result sense_tls_segment(sense_tls **state, uint32_t seq, bool start_known, uint32_t start,
                                        const uint8_t *data, size_t len, struct sense_hello *hello)
{
	sense_tls *tls = *state;
	if (!len)
		return SENSE_TLS_MORE;
	if (!tls && (!start_known || seq == start)) {
		struct look look = {.run = data, .len = len};
		enum sense_tls_result result = look_at(&look, hello);
		if (result != SENSE_TLS_MORE && (result != SENSE_TLS_NO || start_known))
			return result;
	}
	if (!tls)
		tls = *state = state_new(seq, start_known, start);
	enum sense_tls_result result = SENSE_TLS_NO;
	if (!tls || !add(tls, seq, data, len))
		goto out;
	uint32_t from = tls->pieces.from;
	if (tls->floating && (int32_t)(seq - tls->base) <= (int32_t)from)
		tls->need = 0; /* the beginning may have moved */
	result = look_again(tls, hello);
	if (result == SENSE_TLS_MORE && !is_spent(tls))
		return result;
	if (result == SENSE_TLS_MORE)
		result = tls->records ? SENSE_TLS_RECORDS : SENSE_TLS_NO;
out:
	sense_tls_free(tls);
	*state = NULL;
	return result;
}
