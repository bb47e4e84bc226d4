#include "core/names/quic.h"

#include <stdlib.h>
#include <string.h>

#include "core/names/quic_frames.h"
#include "core/names/quic_keys.h"

enum {
	LONG_HEADER = 0x80,
	FIXED_BIT = 0x40,
	COALESCED_MAX = 8, /* packets of a datagram that are looked at */
	PACKETS_MAX = 64,  /* Initials of a connection that are tried */
	DCID_MIN = 8       /* of the client's first Initial (RFC 9000, 7.2) */
};

enum packet_type { PACKET_INITIAL, PACKET_0RTT, PACKET_HANDSHAKE, PACKET_RETRY };

struct sense_quic {
	const struct sense_quic_version *version;
	struct sense_quic_keys keys;
	int64_t largest; /* packet number, -1 before the first */
	unsigned packets;
	struct sense_pieces stream;
};

/* A long header (RFC 9000, 17.2) up to the packet number. */
struct header {
	uint32_t version_number;
	const struct sense_quic_version *version; /* NULL: cannot be read */
	enum packet_type type;
	struct sense_bytes dcid;
	struct sense_bytes scid;
	struct sense_quic_sealed sealed; /* of an Initial, 0-RTT or Handshake packet */
};

static enum packet_type packet_type(uint8_t first, bool second)
{
	unsigned bits = first >> 4 & 3;
	return (enum packet_type)(second ? (bits + 3) & 3 : bits); /* RFC 9369, 3.2: shifted by one */
}

/* False when this is no long header, or not a whole packet of a version that can be read. */
static bool read_header(const uint8_t *data, size_t len, struct header *h)
{
	struct sense_cursor c = sense_cursor_of(data, len);
	uint8_t first = (uint8_t)sense_cursor_uint(&c, 1);
	*h = (struct header){.version_number = sense_cursor_uint(&c, 4)};
	if (!(first & LONG_HEADER) || c.failed)
		return false;
	h->version = sense_quic_version_find(h->version_number);
	if (!h->version)
		return true;
	h->type = packet_type(first, h->version->second);
	h->dcid = sense_cursor_vector(&c, 1);
	h->scid = sense_cursor_vector(&c, 1);
	if (c.failed || !(first & FIXED_BIT) || h->dcid.len > SENSE_QUIC_CID_MAX ||
	    h->scid.len > SENSE_QUIC_CID_MAX)
		return false;
	if (h->type == PACKET_RETRY)
		return true;
	if (h->type == PACKET_INITIAL) {
		uint64_t token = sense_quic_varint(&c);
		sense_cursor_take(&c, token <= c.left ? (size_t)token : SIZE_MAX);
	}
	uint64_t rest = sense_quic_varint(&c);
	if (c.failed || rest > c.left)
		return false;
	size_t number_at = (size_t)(c.at - data);
	h->sealed = (struct sense_quic_sealed){data, number_at + (size_t)rest, number_at};
	return true;
}

void sense_quic_free(sense_quic *state)
{
	if (!state)
		return;
	sense_pieces_fini(&state->stream);
	free(state);
}

/*
 * Opens an Initial with the keys of the connection, else with those of its own Destination
 * Connection ID: the client's first packet, or its next one after a Retry (RFC 9001, 5.2), when the
 * stream begins anew. Nothing else opens, in particular nothing from the server.
 */
static int open_initial(sense_quic_crypto *crypto, struct sense_quic *quic, const struct header *h)
{
	uint8_t *plain = sense_quic_scratch(crypto);
	if (quic->version == h->version) {
		int len = sense_quic_open(crypto, &quic->keys, &h->sealed, &quic->largest, plain);
		if (len >= 0)
			return len;
	}
	if (h->dcid.len < DCID_MIN)
		return -1;
	struct sense_quic_keys keys;
	int64_t largest = -1;
	sense_quic_keys_derive(h->version, h->dcid.at, h->dcid.len, &keys);
	int len = sense_quic_open(crypto, &keys, &h->sealed, &largest, plain);
	if (len < 0)
		return -1;
	quic->version = h->version;
	quic->keys = keys;
	quic->largest = largest;
	sense_pieces_clear(&quic->stream);
	return len;
}

/* MORE while the hello is not complete; NO when there will be none. */
static enum sense_quic_result read_stream(const struct sense_pieces *stream, struct sense_hello *hello)
{
	if (stream->whole < 4)
		return SENSE_QUIC_MORE;
	size_t size = 4 + sense_be24(stream->data + 1);
	if (stream->data[0] != SENSE_TLS_CLIENT_HELLO_TYPE || size > SENSE_HELLO_MAX)
		return SENSE_QUIC_NO;
	if (stream->whole < size)
		return SENSE_QUIC_MORE;
	return sense_hello_parse(stream->data, size, true, hello) ? SENSE_QUIC_NO : SENSE_QUIC_CLIENT_HELLO;
}

/* Version negotiation (RFC 8999, 6): version 0, two connection ids, a list of versions. */
static bool is_negotiation(const uint8_t *data, size_t len)
{
	struct sense_cursor c = sense_cursor_of(data, len);
	sense_cursor_take(&c, 5);
	struct sense_bytes dcid = sense_cursor_vector(&c, 1), scid = sense_cursor_vector(&c, 1);
	return !c.failed && dcid.len <= SENSE_QUIC_CID_MAX && scid.len <= SENSE_QUIC_CID_MAX && c.left >= 4 &&
	       c.left % 4 == 0;
}

/* A datagram that begins with a long header of a version that cannot be read. */
static enum sense_quic_result other_version(const uint8_t *data, size_t len, const struct header *h,
                                            uint32_t *version)
{
	bool other = h->version_number ? data[0] & FIXED_BIT && sense_quic_version_is_other(h->version_number)
	                               : is_negotiation(data, len);
	if (!other)
		return SENSE_QUIC_NO;
	*version = h->version_number;
	return SENSE_QUIC_OTHER;
}

/* The packets of a datagram (RFC 9000, 12.2). False when none of them could be opened. */
static bool read_packets(sense_quic_crypto *crypto, struct sense_quic *quic, const uint8_t *data, size_t len)
{
	struct header h;
	bool opened = false;
	for (unsigned i = 0; i < COALESCED_MAX && len && read_header(data, len, &h); i++) {
		if (!h.version || h.type == PACKET_RETRY)
			break;
		if (h.type == PACKET_INITIAL && quic->packets < PACKETS_MAX) {
			quic->packets++;
			int plain_len = open_initial(crypto, quic, &h);
			opened = opened || plain_len >= 0;
			if (plain_len > 0) /* what stands before a frame that does not belong is taken */
				sense_quic_frames(&quic->stream, sense_quic_scratch(crypto),
				                  (size_t)plain_len);
		}
		data += h.sealed.len;
		len -= h.sealed.len;
	}
	return opened;
}

/* A connection whose hello takes more than one datagram moves to the heap. */
static sense_quic *keep(const struct sense_quic *quic)
{
	sense_quic *kept = malloc(sizeof *kept);
	if (kept)
		*kept = *quic;
	return kept;
}

enum sense_quic_result sense_quic_datagram(sense_quic_crypto *crypto, sense_quic **state, const uint8_t *data,
                                           size_t len, uint32_t *version, struct sense_hello *hello)
{
	struct header h;
	*version = 0;
	if (!read_header(data, len, &h))
		return *state ? SENSE_QUIC_MORE : SENSE_QUIC_NO;
	if (!h.version)
		return *state ? SENSE_QUIC_MORE : other_version(data, len, &h, version);
	*version = h.version_number;

	struct sense_quic fresh = {.largest = -1}, *quic = *state;
	if (!quic) {
		sense_pieces_init(&fresh.stream, SENSE_HELLO_MAX, false);
		quic = &fresh;
	}
	enum sense_quic_result result = SENSE_QUIC_NO;
	if (read_packets(crypto, quic, data, len))
		result = read_stream(&quic->stream, hello);
	else if (*state)
		result = SENSE_QUIC_MORE;
	if (result == SENSE_QUIC_MORE && quic->packets < PACKETS_MAX) {
		if (*state || (*state = keep(&fresh)))
			return result;
	}
	if (result == SENSE_QUIC_MORE)
		result = SENSE_QUIC_NO;
	sense_pieces_fini(&quic->stream);
	free(*state);
	*state = NULL;
	return result;
}
