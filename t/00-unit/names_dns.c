/* DNS messages, by hand; then the same over TCP in every segmentation. */
#include "core/names/dns.h"

#include <stdlib.h>

#include "t/tap.h"

#define QUERY "\x12\x34\x01\x00\x00\x01\x00\x00\x00\x00\x00\x00"
#define OPENAI "\x03" "aPi\x06openai\x03" "com\x00"
#define A_IN "\x00\x01\x00\x01"
#define BYTES(text) (const uint8_t *)(text), sizeof(text) - 1

static struct sense_dns dns;

/* Parses a copy that ends where the heap block does, over a struct full of rubbish. */
static enum sense_status parse(const uint8_t *msg, size_t len)
{
	uint8_t *copy = malloc(len ? len : 1);
	memcpy(copy, msg, len);
	memset(&dns, 0xaa, sizeof(dns));
	enum sense_status status = sense_dns_parse(copy, len, &dns);
	free(copy);
	return status;
}

static const char *address(unsigned i)
{
	static char text[64];
	const uint8_t *b = dns.answers[i].addr.bytes;
	char *to = text;
	if (i >= dns.answer_count)
		return NULL;
	for (int k = 0; k < 16; k++)
		to += sprintf(to, "%02x", b[k]);
	return text;
}

static const uint8_t answer[] =
    "\x12\x34\x81\x80\x00\x01\x00\x03\x00\x01\x00\x01" OPENAI A_IN
    "\xc0\x0c\x00\x05\x00\x01\x00\x00\x01\x2c\x00\x06\x03" "cdn\xc0\x13"
    "\xc0\x2c\x00\x01\x00\x01\x00\x00\x00\x78\x00\x04\x68\x12\x20\x2f"
    "\xc0\x2c\x00\x1c\x80\x01\x80\x00\x00\x78\x00\x10\x26\x06\x47\x00\0\0\0\0\0\0\0\0\x68\x12\x20\x2f"
    "\xc0\x13\x00\x06\x00\x01"
    "\x00\x00\x29\x04\xd0\x00\x00\x00\x00\x00\x00";

static void test_query(void)
{
	is_num(parse(BYTES(QUERY OPENAI A_IN)), SENSE_OK, "a query");
	is_str(dns.name, "api.openai.com", "its name in lower case");
	ok(dns.id == 0x1234 && dns.type == SENSE_DNS_A && !dns.response && !dns.rcode, "id, type, direction");
	ok(!dns.answer_count && !dns.answers_cut && !dns.ech, "no answers");
	is_num(parse(BYTES(QUERY "\x03" "a.b\x05" "\\ \x00\xff~\x00" A_IN)), SENSE_OK, "odd bytes in labels");
	is_str(dns.name, "a\\046b.\\092\\032\\000\\255~", "are escaped, dots within a label too");
	is_num(parse(BYTES(QUERY "\x00\x00\x02\x00\x01")), SENSE_OK, "the root");
	is_str(dns.name, "", "has an empty name");
	is_num(dns.type, 2, "and a type");
	is_num(parse(BYTES(QUERY OPENAI A_IN "trailing nonsense")), SENSE_OK, "bytes behind are no matter");
	is_num(parse(BYTES(QUERY OPENAI "\x00\x41\x80\x01")), SENSE_OK, "mDNS: unicast answer wanted");
	is_num(dns.type, SENSE_DNS_HTTPS, "type HTTPS");
}

static void test_answer(void)
{
	is_num(parse(answer, sizeof(answer) - 1), SENSE_OK, "an answer");
	is_str(dns.name, "api.openai.com", "the name that was asked for");
	ok(dns.response && dns.answer_count == 2, "two addresses behind a CNAME");
	is_str(address(0), "00000000000000000000ffff6812202f", "IPv4 is mapped");
	is_num(dns.answers[0].ttl, 120, "its TTL");
	is_str(address(1), "2606470000000000000000006812202f", "IPv6");
	is_num(dns.answers[1].ttl, 0, "a negative TTL is none");
	unsigned bad = 0;
	for (size_t n = 12; n < sizeof(answer) - 1; n++) {
		enum sense_status status = parse(answer, n);
		/* The authority record (cut short in this message) and EDNS are never needed. */
		bad += status != (n < 94 ? SENSE_E_TRUNCATED : SENSE_OK);
		bad += strcmp(dns.name, n < 32 ? "" : "api.openai.com") != 0;
		bad += dns.answer_count != (n < 66 ? 0u : n < 94 ? 1u : 2u);
	}
	is_num(bad, 0, "cut anywhere: truncated, and what came before is there");
	is_num(parse(answer, 11), SENSE_E_TRUNCATED, "not even a header");
	is_num(parse(BYTES("\0\0\x84\0\0\0\0\1\0\0\0\0\x05local\0\0\1\x80\1\0\0\0\x78\0\4\xc0\xa8\1\2")), SENSE_OK,
	       "a multicast answer without a question");
	ok(!dns.name[0] && dns.answer_count == 1, "has addresses and no name");
	is_num(parse(BYTES("\0\0\x81\x83\0\1\0\0\0\0\0\0" OPENAI A_IN)), SENSE_OK, "NXDOMAIN");
	is_num(dns.rcode, 3, "tells its code");
	is_num(parse(BYTES("\0\0\x81\x80\0\1\0\2\0\0\0\0" OPENAI A_IN "\xc0\x0c" A_IN "\0\0\0\1\0\3\1\2\3"
	                   "\xc0\x0c\0\1\0\3\0\0\0\1\0\4\1\2\3\4")), SENSE_OK, "odd records");
	is_num(dns.answer_count, 0, "a wrong size or class gives no address");
}

static void test_https(void)
{
	static const uint8_t msg[] =
	    "\x12\x34\x81\x80\x00\x01\x00\x01\x00\x00\x00\x00" OPENAI "\x00\x41\x00\x01"
	    "\xc0\x0c\x00\x41\x00\x01\x00\x00\x01\x2c\x00\x38\x00\x01\x00"
	    "\x00\x01\x00\x06\x02h3\x02h2" "\x00\x04\x00\x08\x68\x12\x20\x2f\xac\x40\x9b\xd1"
	    "\x00\x05\x00\x04\x00\x01\x02\x03" "\x00\x06\x00\x13\x26\x06\x47\0\0\0\0\0\0\0\0\0\1\2\3\4\xff\xff\xff";
	is_num(parse(msg, sizeof(msg) - 1), SENSE_OK, "an HTTPS record");
	ok(dns.ech, "offers ECH");
	is_num(dns.answer_count, 3, "its hints, half a hint left out");
	is_str(address(1), "00000000000000000000ffffac409bd1", "IPv4 hint");
	is_str(address(2), "26064700000000000000000001020304", "IPv6 hint");
	uint8_t copy[sizeof(msg)];
	unsigned bad = 0;
	for (size_t i = 0; i < 0x38; i++) { /* every length within the record, made absurd */
		memcpy(copy, msg, sizeof(msg));
		copy[44 + i] = 0xff;
		bad += parse(copy, sizeof(msg) - 1) != SENSE_OK;
	}
	is_num(bad, 0, "nonsense within the record does no harm");
	memcpy(copy, msg, sizeof(msg));
	copy[45] = 0;
	is_num(parse(copy, sizeof(msg) - 1), SENSE_OK, "alias mode");
	ok(!dns.ech && !dns.answer_count, "has no parameters");
}

static void test_many(void)
{
	static uint8_t msg[12 + 20 + 40 * 16];
	static const uint8_t record[] = "\xc0\x0c\x00\x01\x00\x01\x00\x00\x00\x78\x00\x04\x01\x02\x03";
	memcpy(msg, "\0\0\x81\x80\0\1\0\x28\0\0\0\0" OPENAI A_IN, 32);
	for (unsigned i = 0; i < 40; i++) {
		memcpy(msg + 32 + i * 16, record, 15);
		msg[32 + i * 16 + 15] = (uint8_t)i;
	}
	is_num(parse(msg, sizeof(msg)), SENSE_OK, "forty addresses");
	ok(dns.answer_count == SENSE_DNS_ANSWERS_MAX && dns.answers_cut, "are cut, and that is said");
}

static void test_refused(void)
{
	is_num(parse(BYTES("\x12\x34\x39\x00\0\1\0\0\0\0\0\0" OPENAI A_IN)), SENSE_E_FORMAT,
	       "an opcode that is not");
	is_num(parse(BYTES("\x12\x34\x01\x00\0\0\0\0\0\0\0\0")), SENSE_E_FORMAT, "a query for nothing");
	is_num(parse(BYTES("\x12\x34\x01\x00\0\1\xff\xff\0\0\0\0" OPENAI A_IN)), SENSE_E_FORMAT, "absurd counts");
	is_num(parse(BYTES(QUERY OPENAI "\0\1\x20\x20")), SENSE_E_FORMAT, "a class that is not");
	is_num(parse(BYTES(QUERY "\x41" "aaaa")), SENSE_E_FORMAT, "a label of 65");
	is_num(parse(BYTES("GET / HTTP/1.1\r\nHost: x\r\n\r\n")), SENSE_E_FORMAT, "HTTP");
	is_num(parse(BYTES(QUERY "\xc0\x0c" A_IN)), SENSE_E_FORMAT, "a pointer to itself");
	is_num(parse(BYTES(QUERY "\x01" "a\xc0\x0c" A_IN)), SENSE_E_FORMAT, "a loop of pointers");
	is_num(parse(BYTES(QUERY "\x01" "a\xc0\x20" A_IN)), SENSE_E_FORMAT, "a pointer forwards");
	is_num(parse(BYTES(QUERY "\x01" "a\xc0\x04" A_IN)), SENSE_E_FORMAT, "a pointer into the header");
	static uint8_t msg[400] = QUERY;
	for (unsigned i = 0; i < 255; i += 2)
		memcpy(msg + 12 + i, "\1x", 2);
	memcpy(msg + 12 + 254, "\0\0\1\0\1", 5);
	is_num(parse(msg, 12 + 259), SENSE_OK, "a name of 255 bytes");
	is_num(strlen(dns.name), 253, "is 253 characters");
	memcpy(msg + 12 + 254, "\1x\0\0\1\0\1", 7);
	is_num(parse(msg, 12 + 261), SENSE_E_FORMAT, "one of 257 is none");
	memset(msg + 12, 0, 260);
	for (unsigned i = 0; i < 4; i++) {
		msg[12 + i * 63] = 62;
		memset(msg + 13 + i * 63, 1, 62);
	}
	memcpy(msg + 12 + 252, "\1\1\0\0\1\0\1", 7);
	is_num(parse(msg, 12 + 259), SENSE_OK, "all of it escaped");
	ok(strlen(dns.name) < SENSE_DNS_NAME_MAX && strlen(dns.name) == 249 * 4 + 4, "fits");
}

/* ---- TCP ------------------------------------------------------------------------------------ */

static char seen[256];

static void note(void *context, const struct sense_dns *one)
{
	(void)context;
	size_t n = strlen(seen);
	snprintf(seen + n, sizeof(seen) - n, "%.60s/%u/%u ", one->name, one->type, one->answer_count);
}

static bool feed(sense_dns_tcp **state, uint32_t seq, const uint8_t *data, size_t len)
{
	uint8_t *copy = malloc(len ? len : 1);
	memcpy(copy, data, len);
	bool more = sense_dns_tcp_segment(state, seq, copy, len, note, NULL);
	free(copy);
	return more;
}

static size_t stream_make(uint8_t *to)
{
	size_t n = sizeof(answer) - 1;
	memcpy(to, "\x00\x20" QUERY OPENAI A_IN, 34);
	to[34] = 0;
	to[35] = (uint8_t)n;
	memcpy(to + 36, answer, n);
	memcpy(to + 36 + n, "\x00\x20" QUERY OPENAI "\x00\x41\x00\x01", 34);
	return 36 + n + 34;
}

static const char expected[] = "api.openai.com/1/0 api.openai.com/1/2 api.openai.com/65/0 ";

static void test_segments(void)
{
	static uint8_t stream[512];
	size_t len = stream_make(stream);
	unsigned bad = 0;
	uint32_t start = UINT32_MAX - 50; /* the sequence number wraps on the way */
	for (size_t step = 1; step <= len; step++) {
		sense_dns_tcp *state = NULL;
		seen[0] = '\0';
		for (size_t at = 0; at < len; at += step) {
			size_t n = len - at < step ? len - at : step;
			bad += !feed(&state, start + (uint32_t)at, stream + at, n);
			bad += !feed(&state, start + (uint32_t)at, stream + at, n); /* sent again */
		}
		bad += strcmp(seen, expected) != 0;
		sense_dns_tcp_free(state);
	}
	is_num(bad, 0, "three messages in segments of every size, each sent twice");
	for (size_t cut = 1; cut < len; cut++) {
		sense_dns_tcp *state = NULL;
		seen[0] = '\0';
		bad += !feed(&state, start, stream, cut) || !feed(&state, start, stream, len);
		bad += strcmp(seen, expected) != 0;
		sense_dns_tcp_free(state);
	}
	is_num(bad, 0, "overlapping segments give what is new");
}

static void test_lost(void)
{
	static uint8_t stream[512];
	size_t len = stream_make(stream);
	sense_dns_tcp *state = NULL;
	ok(feed(&state, 100, stream, 40) && state, "a split message is kept");
	ok(!feed(&state, 141, stream + 41, len - 41) && !state, "a gap ends it");
	ok(feed(&state, 1, stream, 34), "a boundary");
	ok(!feed(&state, 36, stream + 34, len - 34) && !state, "a gap at a boundary ends it");
	ok(!feed(&state, 1, BYTES("GET / HTTP/1.1\r\n\r\nHost: example.com\r\n")) && !state, "not DNS");
	ok(!feed(&state, 1, BYTES("\0\5abcde")) && !state, "a length that cannot be");
	ok(feed(&state, 1, BYTES("\xff")) && feed(&state, 2, BYTES("\xff")), "a promise of 65535 bytes");
	ok(!feed(&state, 3, BYTES("\x12\x34\x01\x00\0\1\xff\xff\xff\xff\0\0")) && !state,
	   "is not waited for when the header is not DNS");
	sense_dns_tcp_free(NULL);
}

int main(void)
{
	test_query();
	test_answer();
	test_https();
	test_many();
	test_refused();
	test_segments();
	test_lost();
	return tap_done();
}
