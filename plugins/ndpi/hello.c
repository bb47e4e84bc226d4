#include "plugins/ndpi/hello.h"

#include <string.h>

#define RECORD_HEADER 5u
#define HANDSHAKE_HEADER 4u
#define BEFORE_SESSION 34u /* legacy_version and random */

enum { HANDSHAKE = 22, CLIENT_HELLO = 1, SERVER_HELLO = 2 };
enum { EXT_SERVER_NAME = 0, EXT_POINT_FORMATS = 11, EXT_PADDING = 21, EXT_VERSIONS = 43 };

/* A window on the input; `take` moves its start and fails without moving when it is too short. */
struct window {
	const uint8_t *at;
	unsigned left;
};

static const uint8_t *take(struct window *w, unsigned n)
{
	const uint8_t *at = w->at;

	if (n > w->left)
		return NULL;
	w->at += n;
	w->left -= n;
	return at;
}

static unsigned u16(const uint8_t *p)
{
	return (unsigned)p[0] << 8 | p[1];
}

/* Takes a field of `width` length bytes and as many bytes as they say. */
static bool take_vector(struct window *w, unsigned width, struct window *out)
{
	const uint8_t *n = take(w, width);

	if (!n)
		return false;
	out->left = width == 1 ? n[0] : u16(n);
	out->at = take(w, out->left);
	return out->at;
}

static bool take_extension(struct window *w, unsigned *type, struct window *body)
{
	const uint8_t *id = take(w, 2);

	if (!id)
		return false;
	*type = u16(id);
	return take_vector(w, 2, body);
}

/* Opens the handshake message that a record begins with; false when it is not whole. */
static bool open_message(struct window *payload, uint8_t type, struct window *body)
{
	struct window record;
	const uint8_t *head = take(payload, 3);

	if (!head || head[0] != HANDSHAKE || head[1] != 3 || !take_vector(payload, 2, &record))
		return false;
	head = take(&record, HANDSHAKE_HEADER);
	if (!head || head[0] != type || head[1] != 0)
		return false;
	body->left = u16(head + 2);
	body->at = take(&record, body->left);
	/* A ServerHello may share its record with what follows; a ClientHello stands alone. */
	return body->at && (type == SERVER_HELLO || (!record.left && !payload->left));
}

bool hello_is_partial(const uint8_t *payload, unsigned len)
{
	unsigned record;

	if (len < RECORD_HEADER + HANDSHAKE_HEADER || payload[0] != HANDSHAKE || payload[1] != 3)
		return false;
	record = u16(payload + 3);
	payload += RECORD_HEADER;
	return len < RECORD_HEADER + record && RECORD_HEADER + record <= HELLO_MAX &&
	       payload[0] == CLIENT_HELLO && payload[1] == 0 && u16(payload + 2) + HANDSHAKE_HEADER == record;
}

static uint8_t *put(uint8_t *out, const void *data, unsigned n)
{
	memcpy(out, data, n);
	return out + n;
}

static uint8_t *put16(uint8_t *out, unsigned value)
{
	*out++ = (uint8_t)(value >> 8);
	*out++ = (uint8_t)value;
	return out;
}

/*
 * Writes the extensions. The last one claims a body that is not there: nDPI checks that, gives up
 * the JA3 text it would have built, and goes on. It wants some room before it, hence the padding
 * when there is no name.
 */
static uint8_t *put_extensions(uint8_t *out, const uint8_t *end, struct window extensions)
{
	static const uint8_t padding[] = {0, EXT_PADDING, 0, 4, 0, 0, 0, 0};
	static const uint8_t no_ja3[] = {0, EXT_POINT_FORMATS, 0, 1};
	uint8_t *start = out;
	struct window body;
	unsigned type;

	out += 2;
	while (extensions.left) {
		if (!take_extension(&extensions, &type, &body))
			return NULL;
		if (type != EXT_SERVER_NAME)
			continue;
		if (body.left + 4 + sizeof(padding) + sizeof(no_ja3) > (size_t)(end - out))
			return NULL;
		out = put16(put16(out, type), body.left);
		out = put(out, body.at, body.left);
	}
	if (out == start + 2)
		out = put(out, padding, sizeof(padding));
	out = put(out, no_ja3, sizeof(no_ja3));
	put16(start, (unsigned)(out - start) - 2);
	return out;
}

unsigned hello_shorten(const uint8_t *payload, unsigned len, uint8_t out[HELLO_SHORT_MAX])
{
	/* One cipher suite and null compression, as no more are looked at. */
	static const uint8_t suites[] = {0, 2, 0x13, 0x01, 1, 0};
	struct window w = {payload, len}, body, session, ciphers, compression, extensions = {0};
	const uint8_t *before;
	uint8_t *at = out + RECORD_HEADER + HANDSHAKE_HEADER;

	if (!open_message(&w, CLIENT_HELLO, &body))
		return 0;
	before = take(&body, BEFORE_SESSION);
	if (!before || !take_vector(&body, 1, &session) || session.left > 32 ||
	    !take_vector(&body, 2, &ciphers) || !take_vector(&body, 1, &compression))
		return 0;
	if (!ciphers.left || ciphers.left % 2 || !compression.left)
		return 0;
	if (body.left && (!take_vector(&body, 2, &extensions) || body.left))
		return 0;

	at = put(at, before, BEFORE_SESSION);
	*at++ = 0; /* no session id */
	at = put(at, suites, sizeof(suites));
	at = put_extensions(at, out + HELLO_SHORT_MAX, extensions);
	if (!at)
		return 0;
	put(out, payload, 3);
	put16(out + 3, (unsigned)(at - out) - RECORD_HEADER);
	put(out + RECORD_HEADER, payload + RECORD_HEADER, 2);
	put16(out + RECORD_HEADER + 2, (unsigned)(at - out) - RECORD_HEADER - HANDSHAKE_HEADER);
	return (unsigned)(at - out);
}

bool hello_is_server_13(const uint8_t *payload, unsigned len)
{
	struct window w = {payload, len}, body, session, extensions, extension;
	unsigned type;

	if (!open_message(&w, SERVER_HELLO, &body) || !take(&body, BEFORE_SESSION) ||
	    !take_vector(&body, 1, &session) || !take(&body, 3) || !take_vector(&body, 2, &extensions))
		return false;
	while (take_extension(&extensions, &type, &extension))
		if (type == EXT_VERSIONS)
			return extension.left == 2 && u16(extension.at) == 0x0304;
	return false;
}
