#include "core/names/hello.h"

#include <string.h>

#include "core/names/ja.h"

enum extension {
	EXT_SERVER_NAME = 0,
	EXT_GROUPS = 10,
	EXT_POINT_FORMATS = 11,
	EXT_SIGNATURES = 13,
	EXT_ALPN = 16,
	EXT_VERSIONS = 43,
	EXT_ECH = 0xfe0d,
	EXT_ESNI = 0xffce /* draft-ietf-tls-esni-01 to -06 */
};

#define TLS_1_3 0x0304u

/* Unfinished versions of TLS 1.3 count as 1.3: the drafts' 0x7fxx, and Facebook's for its own use. */
static uint16_t finished_version(uint16_t version)
{
	return version >> 8 == 0x7f || version == 0xfb1a ? TLS_1_3 : version;
}

/* Outer names that ECH providers share among all their customers. */
static const char *const ech_public_names[] = {"cloudflare-ech.com", "cloudflare-esni.com",
                                               "public.tls-ech.dev"};

/* Lower-cases a host name (letters, digits, '-', '_', '.'); out is "" when it is none. */
static void host_name(struct sense_bytes raw, char out[256])
{
	size_t len = raw.len;
	out[0] = 0;
	while (len && raw.at[len - 1] == '.')
		len--;
	if (len > 255)
		return;
	for (size_t i = 0; i < len; i++) {
		uint8_t c = raw.at[i];
		if (c >= 'A' && c <= 'Z')
			c |= 0x20;
		if (!((c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') || c == '-' || c == '_' || c == '.')) {
			out[0] = 0;
			return;
		}
		out[i] = (char)c;
	}
	out[len] = 0;
}

/* ServerNameList (RFC 6066, 3): the first entry of type host_name. */
static void read_sni(struct sense_bytes body, struct sense_hello *out)
{
	struct sense_cursor c = sense_cursor_of(body.at, body.len);
	struct sense_bytes list = sense_cursor_vector(&c, 2);
	c = sense_cursor_of(list.at, list.len);
	while (c.left) {
		uint32_t type = sense_cursor_uint(&c, 1);
		struct sense_bytes name = sense_cursor_vector(&c, 2);
		if (c.failed)
			return;
		if (type == 0) {
			host_name(name, out->sni);
			return;
		}
	}
}

static bool is_grease_name(struct sense_bytes name)
{
	return name.len == 2 && sense_is_grease(sense_be16(name.at));
}

/* ProtocolNameList (RFC 7301, 3.1). What is not printable, or a comma, becomes '?'. */
static void read_alpn(struct sense_bytes body, struct sense_hello_lists *lists, struct sense_hello *out)
{
	struct sense_cursor c = sense_cursor_of(body.at, body.len);
	struct sense_bytes list = sense_cursor_vector(&c, 2);
	c = sense_cursor_of(list.at, list.len);
	size_t used = 0;
	bool first = true;
	while (c.left) {
		struct sense_bytes name = sense_cursor_vector(&c, 1);
		if (c.failed)
			return;
		if (is_grease_name(name))
			continue;
		if (first)
			lists->alpn = name;
		if (used + !first + name.len >= sizeof out->alpn)
			return;
		if (!first)
			out->alpn[used++] = ',';
		first = false;
		for (size_t i = 0; i < name.len; i++) {
			uint8_t b = name.at[i];
			out->alpn[used++] = b > ' ' && b < 0x7f && b != ',' ? (char)b : '?';
		}
		out->alpn[used] = 0;
	}
}

/* JA4 takes the highest number as it is. */
static void read_versions(struct sense_bytes body, struct sense_hello_lists *lists, struct sense_hello *out)
{
	struct sense_cursor c = sense_cursor_of(body.at, body.len);
	struct sense_bytes list = sense_cursor_vector(&c, 1);
	uint16_t top = 0, known = 0;
	for (size_t i = 0; i + 1 < list.len; i += 2) {
		uint16_t version = sense_be16(list.at + i);
		if (sense_is_grease(version))
			continue;
		if (version > top)
			top = version;
		version = finished_version(version);
		if (version <= TLS_1_3 && version > known)
			known = version;
	}
	if (top)
		lists->top_version = top;
	if (known)
		out->version = known;
}

static struct sense_bytes list_of(struct sense_bytes body, unsigned width)
{
	struct sense_cursor c = sense_cursor_of(body.at, body.len);
	struct sense_bytes list = sense_cursor_vector(&c, width);
	if (c.failed)
		list = (struct sense_bytes){.at = body.at};
	return list;
}

static void read_extension(uint16_t type, struct sense_bytes body, struct sense_hello_lists *lists,
                           struct sense_hello *out)
{
	switch (type) {
	case EXT_SERVER_NAME:
		if (!lists->has_sni)
			read_sni(body, out);
		lists->has_sni = true;
		break;
	case EXT_GROUPS:
		lists->groups = list_of(body, 2);
		break;
	case EXT_POINT_FORMATS:
		lists->formats = list_of(body, 1);
		break;
	case EXT_SIGNATURES:
		lists->signatures = list_of(body, 2);
		break;
	case EXT_ALPN:
		if (!out->alpn[0])
			read_alpn(body, lists, out);
		break;
	case EXT_VERSIONS:
		read_versions(body, lists, out);
		break;
	case EXT_ECH: /* ECHClientHelloType: 0 outer, 1 inner */
		out->ech = out->ech || (body.len && body.at[0] == 0);
		break;
	case EXT_ESNI:
		out->ech = true;
		break;
	default:
		break;
	}
}

static bool is_ech_public_name(const char *name)
{
	for (size_t i = 0; i < sizeof ech_public_names / sizeof *ech_public_names; i++)
		if (!strcmp(name, ech_public_names[i]))
			return true;
	return false;
}

/* Handshake type and length (RFC 8446, 4); the cursor then holds the body alone. */
static enum sense_status open_message(const uint8_t *msg, size_t len, uint32_t type, struct sense_cursor *c)
{
	*c = sense_cursor_of(msg, len);
	if (sense_cursor_uint(c, 1) != type)
		return c->failed ? SENSE_E_TRUNCATED : SENSE_E_FORMAT;
	struct sense_bytes body = sense_cursor_vector(c, 3);
	if (c->failed)
		return SENSE_E_TRUNCATED;
	if (body.len > SENSE_HELLO_MAX - 4)
		return SENSE_E_LIMIT;
	*c = sense_cursor_of(body.at, body.len);
	return SENSE_OK;
}

enum sense_status sense_hello_parse(const uint8_t *msg, size_t len, bool quic, struct sense_hello *out)
{
	struct sense_hello_lists lists;
	struct sense_cursor c;
	*out = (struct sense_hello){0};
	enum sense_status status = open_message(msg, len, SENSE_TLS_CLIENT_HELLO_TYPE, &c);
	if (status)
		return status;
	/* Not `= {0}`: the array of extensions is 8 kB, and only what extension_count says is read. */
	memset(&lists, 0, offsetof(struct sense_hello_lists, extensions));
	lists.quic = quic;
	lists.legacy_version = lists.top_version = out->version = (uint16_t)sense_cursor_uint(&c, 2);
	sense_cursor_take(&c, 32);   /* random */
	sense_cursor_vector(&c, 1);  /* session id */
	lists.ciphers = sense_cursor_vector(&c, 2);
	sense_cursor_vector(&c, 1);  /* compression methods */
	if (c.failed || lists.ciphers.len % 2)
		return SENSE_E_FORMAT;
	struct sense_bytes block = {.at = c.at};
	if (c.left) /* SSL 3.0 and TLS 1.0 may have no extensions at all */
		block = sense_cursor_vector(&c, 2);
	if (c.failed)
		return SENSE_E_FORMAT;
	c = sense_cursor_of(block.at, block.len);
	while (c.left) {
		uint16_t type = (uint16_t)sense_cursor_uint(&c, 2);
		struct sense_bytes body = sense_cursor_vector(&c, 2);
		if (c.failed)
			return SENSE_E_FORMAT;
		lists.extensions[lists.extension_count++] = type;
		read_extension(type, body, &lists, out);
	}
	out->has_sni = lists.has_sni;
	out->ech_grease_likely = out->ech && out->sni[0] && !is_ech_public_name(out->sni);
	sense_ja(&lists, out->ja3, out->ja4);
	return SENSE_OK;
}

uint16_t sense_server_hello_version(const uint8_t *msg, size_t len)
{
	struct sense_cursor c;
	if (open_message(msg, len, SENSE_TLS_SERVER_HELLO_TYPE, &c))
		return 0;
	uint16_t version = (uint16_t)sense_cursor_uint(&c, 2);
	sense_cursor_take(&c, 32);  /* random; a HelloRetryRequest is told by it, and read alike */
	sense_cursor_vector(&c, 1); /* session id */
	sense_cursor_take(&c, 3);   /* cipher suite, compression */
	if (c.failed)
		return 0;
	struct sense_bytes block = sense_cursor_vector(&c, 2);
	c = sense_cursor_of(block.at, block.len);
	while (c.left) {
		uint32_t type = sense_cursor_uint(&c, 2);
		struct sense_bytes body = sense_cursor_vector(&c, 2);
		if (c.failed)
			break;
		if (type == EXT_VERSIONS && body.len == 2)
			version = sense_be16(body.at);
	}
	return finished_version(version);
}
