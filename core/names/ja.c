#include "core/names/ja.h"

#include <string.h>

#include "core/names/digest.h"

/* Two bytes of a list become six characters at most ("65535-"), so no list overruns this. */
#define TEXT_MAX (SENSE_HELLO_MAX * 3 + 4096)

static const char hex_digits[16] = "0123456789abcdef";

static void hex(char *out, const uint8_t *bytes, size_t count)
{
	for (size_t i = 0; i < count; i++) {
		*out++ = hex_digits[bytes[i] >> 4];
		*out++ = hex_digits[bytes[i] & 15];
	}
	*out = 0;
}

static char *put_decimal(char *p, unsigned value)
{
	char digits[5];
	unsigned n = 0;
	do
		digits[n++] = (char)('0' + value % 10);
	while (value /= 10);
	while (n)
		*p++ = digits[--n];
	return p;
}

/* Takes back the separator behind the last item, if there was an item, and puts `c`. */
static char *close_list(const char *start, char *p, char c)
{
	p -= p > start;
	*p++ = c;
	return p;
}

static char *put_decimals(char *p, struct sense_bytes list, char end)
{
	const char *start = p;
	for (size_t i = 0; i + 1 < list.len; i += 2) {
		uint16_t value = sense_be16(list.at + i);
		if (sense_is_grease(value))
			continue;
		p = put_decimal(p, value);
		*p++ = '-';
	}
	return close_list(start, p, end);
}

void sense_ja3(const struct sense_hello_lists *lists, char out[33])
{
	char text[TEXT_MAX], *p = put_decimal(text, lists->legacy_version);
	*p++ = ',';
	p = put_decimals(p, lists->ciphers, ',');
	const char *start = p;
	for (unsigned i = 0; i < lists->extension_count; i++) {
		if (sense_is_grease(lists->extensions[i]))
			continue;
		p = put_decimal(p, lists->extensions[i]);
		*p++ = '-';
	}
	p = close_list(start, p, ',');
	p = put_decimals(p, lists->groups, ',');
	start = p;
	for (size_t i = 0; i < lists->formats.len; i++) {
		p = put_decimal(p, lists->formats.at[i]);
		*p++ = '-';
	}
	p -= p > start;
	uint8_t digest[16];
	sense_md5(text, (size_t)(p - text), digest);
	hex(out, digest, sizeof digest);
}

/* Shell sort (gaps of Knuth): lists have a dozen items, and thousands only when made to hurt. */
static void sort(uint16_t *items, unsigned count)
{
	unsigned gap = 1;
	while (gap < count / 3)
		gap = gap * 3 + 1;
	for (; gap; gap /= 3) {
		for (unsigned i = gap; i < count; i++) {
			uint16_t item = items[i];
			unsigned j = i;
			for (; j >= gap && items[j - gap] > item; j -= gap)
				items[j] = items[j - gap];
			items[j] = item;
		}
	}
}

static char *put_hex16(char *p, uint16_t value)
{
	*p++ = hex_digits[value >> 12];
	*p++ = hex_digits[value >> 8 & 15];
	*p++ = hex_digits[value >> 4 & 15];
	*p++ = hex_digits[value & 15];
	return p;
}

static char *put_sorted(char *p, uint16_t *items, unsigned count)
{
	sort(items, count);
	for (unsigned i = 0; i < count; i++) {
		p = put_hex16(p, items[i]);
		*p++ = ',';
	}
	return p - (count > 0);
}

/* The first 12 hex digits of SHA-256. */
static char *put_hash(char *p, const char *text, size_t len)
{
	uint8_t digest[32];
	sense_sha256(text, len, digest);
	hex(p, digest, 6);
	return p + 12;
}

static char *put_count(char *p, unsigned count)
{
	if (count > 99)
		count = 99;
	*p++ = (char)('0' + count / 10);
	*p++ = (char)('0' + count % 10);
	return p;
}

static const char *version_code(uint16_t version)
{
	switch (version) {
	case 0x0304: return "13";
	case 0x0303: return "12";
	case 0x0302: return "11";
	case 0x0301: return "10";
	case 0x0300: return "s3";
	case 0x0002: return "s2";
	case 0xfeff: return "d1";
	case 0xfefd: return "d2";
	case 0xfefc: return "d3";
	default: return "00";
	}
}

static bool is_alphanumeric(uint8_t c)
{
	return (c >= '0' && c <= '9') || ((c | 0x20) >= 'a' && (c | 0x20) <= 'z');
}

/* First and last character of the first protocol, or of its hex form when one is not alphanumeric. */
static char *put_alpn(char *p, struct sense_bytes alpn)
{
	if (!alpn.len) {
		*p++ = '0';
		*p++ = '0';
		return p;
	}
	uint8_t first = alpn.at[0], last = alpn.at[alpn.len - 1];
	bool plain = is_alphanumeric(first) && is_alphanumeric(last);
	*p++ = plain ? (char)first : hex_digits[first >> 4];
	*p++ = plain ? (char)last : hex_digits[last & 15];
	return p;
}

static unsigned plain_values(struct sense_bytes list, uint16_t *out)
{
	unsigned count = 0;
	for (size_t i = 0; i + 1 < list.len; i += 2) {
		uint16_t value = sense_be16(list.at + i);
		if (!sense_is_grease(value))
			out[count++] = value;
	}
	return count;
}

static char *put_cipher_hash(char *p, uint16_t *ciphers, unsigned count)
{
	char text[TEXT_MAX];
	if (!count)
		return memcpy(p, "000000000000", 12), p + 12;
	return put_hash(p, text, (size_t)(put_sorted(text, ciphers, count) - text));
}

static char *put_extension_hash(char *p, uint16_t *extensions, unsigned count, struct sense_bytes signatures)
{
	char text[TEXT_MAX];
	if (!count)
		return memcpy(p, "000000000000", 12), p + 12;
	char *end = put_sorted(text, extensions, count), separator = '_';
	for (size_t i = 0; i + 1 < signatures.len; i += 2) {
		uint16_t value = sense_be16(signatures.at + i);
		if (sense_is_grease(value))
			continue;
		*end++ = separator;
		end = put_hex16(end, value);
		separator = ',';
	}
	return put_hash(p, text, (size_t)(end - text));
}

void sense_ja4(const struct sense_hello_lists *lists, char out[37])
{
	uint16_t ciphers[SENSE_HELLO_MAX / 2], extensions[SENSE_HELLO_EXTENSIONS_MAX];
	unsigned cipher_count = plain_values(lists->ciphers, ciphers);
	unsigned counted = 0, hashed = 0;
	for (unsigned i = 0; i < lists->extension_count; i++) {
		uint16_t type = lists->extensions[i];
		if (sense_is_grease(type))
			continue;
		counted++;
		if (type != 0x0000 && type != 0x0010) /* server_name, ALPN: said in the first part */
			extensions[hashed++] = type;
	}
	char *p = out;
	*p++ = lists->quic ? 'q' : 't';
	memcpy(p, version_code(lists->top_version), 2);
	p += 2;
	*p++ = lists->has_sni ? 'd' : 'i';
	p = put_count(p, cipher_count);
	p = put_count(p, counted);
	p = put_alpn(p, lists->alpn);
	*p++ = '_';
	p = put_cipher_hash(p, ciphers, cipher_count);
	*p++ = '_';
	p = put_extension_hash(p, extensions, hashed, lists->signatures);
	*p = 0;
}
