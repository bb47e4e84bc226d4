#include "core/names/quic_frames.h"

enum frame {
	FRAME_PADDING = 0x00,
	FRAME_PING = 0x01,
	FRAME_ACK = 0x02,
	FRAME_ACK_ECN = 0x03,
	FRAME_CRYPTO = 0x06,
	FRAME_CONNECTION_CLOSE = 0x1c
};

uint64_t sense_quic_varint(struct sense_cursor *c)
{
	struct sense_bytes first = sense_cursor_take(c, 1);
	if (!first.len)
		return 0;
	uint64_t value = first.at[0] & 0x3f;
	struct sense_bytes rest = sense_cursor_take(c, (1u << (first.at[0] >> 6)) - 1);
	for (size_t i = 0; i < rest.len; i++)
		value = value << 8 | rest.at[i];
	return value;
}

static void skip_varints(struct sense_cursor *c, uint64_t count)
{
	while (count-- && !c->failed)
		sense_quic_varint(c);
}

/* Largest acknowledged, delay, range count, first range, the ranges, ECN counts. */
static void skip_ack(struct sense_cursor *c, bool ecn)
{
	skip_varints(c, 2);
	uint64_t ranges = sense_quic_varint(c);
	skip_varints(c, 1 + 2 * ranges);
	if (ecn)
		skip_varints(c, 3);
}

/* Error code, frame type, reason phrase. */
static void skip_close(struct sense_cursor *c)
{
	skip_varints(c, 2);
	uint64_t reason = sense_quic_varint(c);
	sense_cursor_take(c, reason <= c->left ? (size_t)reason : SIZE_MAX);
}

static bool add_crypto(struct sense_pieces *stream, struct sense_cursor *c)
{
	uint64_t offset = sense_quic_varint(c), len = sense_quic_varint(c);
	if (c->failed || len > c->left)
		return false;
	struct sense_bytes data = sense_cursor_take(c, (size_t)len);
	if (offset >= stream->limit)
		return true;
	return sense_pieces_add(stream, (uint32_t)offset, data.at, data.len);
}

bool sense_quic_frames(struct sense_pieces *crypto_stream, const uint8_t *plain, size_t len)
{
	struct sense_cursor c = sense_cursor_of(plain, len);
	while (c.left && !c.failed) {
		switch (sense_quic_varint(&c)) {
		case FRAME_PADDING:
		case FRAME_PING:
			break;
		case FRAME_ACK:
			skip_ack(&c, false);
			break;
		case FRAME_ACK_ECN:
			skip_ack(&c, true);
			break;
		case FRAME_CRYPTO:
			if (!add_crypto(crypto_stream, &c))
				return false;
			break;
		case FRAME_CONNECTION_CLOSE:
			skip_close(&c);
			break;
		default:
			return false;
		}
	}
	return !c.failed;
}
