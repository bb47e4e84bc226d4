#include "proto/token.h"

#include <arpa/inet.h>
#include <string.h>

#define PREFIX_LEN (sizeof(SENSE_TOKEN_PREFIX) - 1)
#define VERSION 1u
/* Bytes that the text of the largest token stands for. */
#define BYTES_MAX ((SENSE_TOKEN_TEXT_MAX - PREFIX_LEN) * 3 / 4)

static bool fail(const char **why, const char *what)
{
	*why = what;
	return false;
}

/* ---- host:port ----------------------------------------------------------------------------------------- */

static bool is_digit(char c)
{
	return c >= '0' && c <= '9';
}

static bool is_word(char c)
{
	return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || is_digit(c);
}

static bool is_port(const char *text)
{
	unsigned port = 0;
	size_t len = strlen(text);

	if (!len || len > 5 || *text == '0')
		return false;
	for (; is_digit(*text); text++)
		port = port * 10 + (unsigned)(*text - '0');
	return !*text && port <= UINT16_MAX;
}

static bool is_ipv6(const char *text, size_t len)
{
	char address[INET6_ADDRSTRLEN];
	struct in6_addr binary;

	if (len >= sizeof(address))
		return false;
	memcpy(address, text, len);
	address[len] = '\0';
	return inet_pton(AF_INET6, address, &binary) == 1;
}

/* Labels of letters, digits, hyphens and underscores (RFC 1123, 2.1); an IPv4 address looks the same. */
static bool is_name(const char *text, size_t len)
{
	size_t label = 0;

	for (size_t i = 0; i < len; i++) {
		if (text[i] == '.') {
			if (!label || text[i - 1] == '-')
				return false;
			label = 0;
			continue;
		}
		if (!is_word(text[i]) && (text[i] != '-' || !label) && text[i] != '_')
			return false;
		if (++label > 63)
			return false;
	}
	return label && text[len - 1] != '-';
}

/* All digits and dots: then it has to be an address. */
static bool is_ipv4_or_name(const char *text, size_t len)
{
	char address[INET_ADDRSTRLEN];
	struct in_addr binary;

	if (!is_name(text, len))
		return false;
	for (size_t i = 0; i < len; i++)
		if (!is_digit(text[i]) && text[i] != '.')
			return true;
	if (len >= sizeof(address))
		return false;
	memcpy(address, text, len);
	address[len] = '\0';
	return inet_pton(AF_INET, address, &binary) == 1;
}

bool sense_token_is_server(const char *text, const char **why)
{
	const char *colon = strrchr(text, ':');

	if (strnlen(text, SENSE_TOKEN_SERVER_MAX + 1) > SENSE_TOKEN_SERVER_MAX)
		return fail(why, "it is longer than 255 bytes");
	if (*text == '[') {
		const char *bracket = strchr(text, ']');
		if (!bracket || bracket[1] != ':' || !is_port(bracket + 2))
			return fail(why, "it is not [address]:port with a port from 1 to 65535");
		return is_ipv6(text + 1, (size_t)(bracket - text - 1)) ||
		       fail(why, "what is in brackets is no IPv6 address");
	}
	if (!colon || colon == text)
		return fail(why, "it is not host:port");
	if (memchr(text, ':', (size_t)(colon - text)))
		return fail(why,
		            "it has more than one colon: an IPv6 address needs brackets, [address]:port");
	if (!is_port(colon + 1))
		return fail(why, "its port is no number from 1 to 65535");
	return is_ipv4_or_name(text, (size_t)(colon - text)) ||
	       fail(why, "its host is neither a name nor an IPv4 address");
}

/* ---- base64url ----------------------------------------------------------------------------------------- */

static const char alphabet[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";

static size_t text_of(const uint8_t *data, size_t len, char *out)
{
	size_t at = 0;
	uint32_t bits = 0;
	unsigned have = 0;

	for (size_t i = 0; i < len; i++) {
		bits = (bits << 8 | data[i]) & 0xffff;
		for (have += 8; have >= 6; have -= 6)
			out[at++] = alphabet[bits >> (have - 6) & 0x3f];
	}
	if (have)
		out[at++] = alphabet[bits << (6 - have) & 0x3f];
	out[at] = '\0';
	return at;
}

static int value_of(char c)
{
	if (c >= 'A' && c <= 'Z')
		return c - 'A';
	if (c >= 'a' && c <= 'z')
		return c - 'a' + 26;
	if (is_digit(c))
		return c - '0' + 52;
	return c == '-' ? 62 : c == '_' ? 63 : -1;
}

static bool is_blank(char c)
{
	return c == ' ' || (c >= '\t' && c <= '\r');
}

static bool bytes_of(const char *text, size_t len, uint8_t *out, size_t *size, const char **why)
{
	uint32_t bits = 0;
	unsigned have = 0;

	*size = 0;
	for (size_t i = 0; i < len; i++) {
		int value = value_of(text[i]);
		if (is_blank(text[i]))
			return fail(why, "has a blank or a line break within it: copy it as one word");
		if (value < 0)
			return fail(why, "has a character that no token has: only letters, digits, - and _");
		bits = (bits << 6 | (uint32_t)value) & 0xffff;
		have += 6;
		if (have >= 8) {
			have -= 8;
			out[(*size)++] = (uint8_t)(bits >> have);
		}
	}
	if (have >= 6 || bits & ((1u << have) - 1))
		return fail(why, "is not whole: its end was not copied, or a character of it was changed");
	return true;
}

/* ---- encoding ------------------------------------------------------------------------------------------ */

static bool sound(const struct sense_token *token, const char **why)
{
	size_t size = 1 + SENSE_TOKEN_ID + SENSE_TOKEN_SECRET + SENSE_TOKEN_FINGERPRINT + 1;

	if (!token->server_count || token->server_count > SENSE_TOKEN_SERVERS_MAX)
		return fail(why, "a token names one server at least and eight at most");
	for (unsigned i = 0; i < token->server_count; i++) {
		if (!sense_token_is_server(token->servers[i], why))
			return false;
		size += 1 + strlen(token->servers[i]);
	}
	return size <= BYTES_MAX || fail(why, "its servers' names are too long for one token: name fewer");
}

size_t sense_token_encode(const struct sense_token *token, char *out, const char **why)
{
	uint8_t data[BYTES_MAX], *at = data;

	if (!sound(token, why))
		return 0;
	*why = NULL;
	*at++ = VERSION;
	memcpy(at, token->id, SENSE_TOKEN_ID);
	at += SENSE_TOKEN_ID;
	memcpy(at, token->secret, SENSE_TOKEN_SECRET);
	at += SENSE_TOKEN_SECRET;
	memcpy(at, token->ca, SENSE_TOKEN_FINGERPRINT);
	at += SENSE_TOKEN_FINGERPRINT;
	*at++ = (uint8_t)token->server_count;
	for (unsigned i = 0; i < token->server_count; i++) {
		size_t len = strlen(token->servers[i]);
		*at++ = (uint8_t)len;
		memcpy(at, token->servers[i], len);
		at += len;
	}
	memcpy(out, SENSE_TOKEN_PREFIX, PREFIX_LEN);
	return PREFIX_LEN + text_of(data, (size_t)(at - data), out + PREFIX_LEN);
}

/* ---- decoding ------------------------------------------------------------------------------------------ */

struct cursor {
	const uint8_t *at, *end;
};

static bool take(struct cursor *cursor, void *out, size_t len)
{
	if ((size_t)(cursor->end - cursor->at) < len)
		return false;
	memcpy(out, cursor->at, len);
	cursor->at += len;
	return true;
}

static bool take_server(struct cursor *cursor, char *out, const char **why)
{
	const char *problem;
	uint8_t len;

	if (!take(cursor, &len, 1) || !take(cursor, out, len))
		return fail(why, "ends within its list of servers: its end was not copied");
	out[len] = '\0';
	if (strlen(out) != len || !sense_token_is_server(out, &problem))
		return fail(why, "names a server that is not host:port: it was changed; copy it again");
	return true;
}

static bool take_all(struct cursor *cursor, struct sense_token *out, const char **why)
{
	uint8_t version, count;

	if (!take(cursor, &version, 1))
		return fail(why,
		            "has nothing behind \"" SENSE_TOKEN_PREFIX "\": only its beginning was copied");
	if (version != VERSION)
		return fail(why, "is of a version that is not known here: update this agent");
	if (!take(cursor, out->id, SENSE_TOKEN_ID) || !take(cursor, out->secret, SENSE_TOKEN_SECRET) ||
	    !take(cursor, out->ca, SENSE_TOKEN_FINGERPRINT) || !take(cursor, &count, 1))
		return fail(why, "ends early: only a part of it was copied");
	if (!count || count > SENSE_TOKEN_SERVERS_MAX)
		return fail(why, "names no server or more than eight: it was changed; copy it again");
	for (out->server_count = 0; out->server_count < count; out->server_count++)
		if (!take_server(cursor, out->servers[out->server_count], why))
			return false;
	return cursor->at == cursor->end || fail(why, "has something behind its end: copy it alone");
}

bool sense_token_decode(const char *text, struct sense_token *out, const char **why)
{
	uint8_t data[BYTES_MAX];
	size_t len, size;

	memset(out, 0, sizeof(*out));
	*why = NULL;
	while (is_blank(*text))
		text++;
	len = strnlen(text, SENSE_TOKEN_TEXT_MAX * 2);
	while (len && is_blank(text[len - 1]))
		len--;
	if (!len)
		return fail(why, "is empty");
	if (len < PREFIX_LEN ? memcmp(text, SENSE_TOKEN_PREFIX, len) != 0
	                     : memcmp(text, SENSE_TOKEN_PREFIX, PREFIX_LEN) != 0)
		return fail(why, "does not begin with \"" SENSE_TOKEN_PREFIX
		                 "\": its beginning was not copied, or it is something else");
	if (len <= PREFIX_LEN)
		return fail(why,
		            "has nothing behind \"" SENSE_TOKEN_PREFIX "\": only its beginning was copied");
	if (len > SENSE_TOKEN_TEXT_MAX)
		return fail(why, "is longer than a token can be: copy it alone");
	if (!bytes_of(text + PREFIX_LEN, len - PREFIX_LEN, data, &size, why))
		return false;
	struct cursor cursor = {data, data + size};
	return take_all(&cursor, out, why);
}
