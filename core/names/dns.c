/*
 * One DNS message. This runs for every packet of a resolver, so nothing is cleared that is not
 * read, and only names that are kept are expanded; all others are stepped over.
 */
#include "core/names/dns.h"

#include <string.h>

enum { HEADER_LEN = 12, QUESTION_MIN = 5, RECORD_MIN = 11, RECORD_FIXED = 10 };
enum { CLASS_IN = 1, CLASS_CHAOS = 3, CLASS_HESIOD = 4, CLASS_NONE = 254, CLASS_ANY = 255 };
enum { SVC_IPV4HINT = 4, SVC_ECH = 5, SVC_IPV6HINT = 6 };
enum { OPCODE_QUERY = 0, OPCODE_LAST = 6 }; /* DSO, RFC 8490 */

#define LABEL_MAX 63u
#define WIRE_NAME_MAX 255u /* RFC 1035, 2.3.4: lengths included */

struct reader {
	const uint8_t *msg;
	size_t len;
	size_t pos;
};

static uint16_t be16(const uint8_t *p)
{
	return (uint16_t)(p[0] << 8 | p[1]);
}

static uint32_t be32(const uint8_t *p)
{
	return (uint32_t)be16(p) << 16 | be16(p + 2);
}

static bool left(const struct reader *r, size_t n)
{
	return r->len - r->pos >= n;
}

/* What a byte of a label becomes in text: itself in lower case, or 0 when it must be escaped. */
#define SAME(c) [c] = (c)
#define FOLD(c) [c] = (c) + 32
#define SAME4(c) SAME(c), SAME((c) + 1), SAME((c) + 2), SAME((c) + 3)
#define FOLD4(c) FOLD(c), FOLD((c) + 1), FOLD((c) + 2), FOLD((c) + 3)
static const uint8_t plain[256] = {
	/* The dot and the backslash are missing: inside a label they would read as syntax. */
	SAME('!'), SAME('"'), SAME('#'), SAME4('$'), SAME4('('), SAME(','), SAME('-'), SAME('/'),
	SAME4('0'), SAME4('4'), SAME4('8'), SAME4('<'), SAME('@'),
	FOLD4('A'), FOLD4('E'), FOLD4('I'), FOLD4('M'), FOLD4('Q'), FOLD4('U'), FOLD('Y'), FOLD('Z'),
	SAME('['), SAME(']'), SAME('^'), SAME('_'), SAME('`'),
	SAME4('a'), SAME4('e'), SAME4('i'), SAME4('m'), SAME4('q'), SAME4('u'), SAME('y'), SAME('z'),
	SAME4('{')
};

static char *label_text(char *to, const uint8_t *label, size_t len)
{
	for (size_t i = 0; i < len; i++) {
		uint8_t c = plain[label[i]];
		if (c) {
			*to++ = (char)c;
			continue;
		}
		*to++ = '\\';
		*to++ = (char)('0' + label[i] / 100);
		*to++ = (char)('0' + label[i] / 10 % 10);
		*to++ = (char)('0' + label[i] % 10);
	}
	return to;
}

/*
 * Reads a name of at most WIRE_NAME_MAX bytes into text of SENSE_DNS_NAME_MAX. A pointer must lead
 * before the labels that end in it, so every jump goes further back and the walk ends.
 */
static enum sense_status name_read(struct reader *r, char *text)
{
	const uint8_t *msg = r->msg;
	size_t at = r->pos, from = r->pos, wire = 1;
	bool jumped = false;
	char *to = text;
	for (;;) {
		if (at >= r->len)
			return SENSE_E_TRUNCATED;
		uint8_t n = msg[at++];
		if (!n)
			break;
		if (n >= 0xc0) {
			if (at >= r->len)
				return SENSE_E_TRUNCATED;
			size_t target = (size_t)(n & 0x3f) << 8 | msg[at++];
			if (target >= from || target < HEADER_LEN)
				return SENSE_E_FORMAT;
			if (!jumped)
				r->pos = at;
			jumped = true;
			at = from = target;
			continue;
		}
		wire += n + 1u;
		if (n > LABEL_MAX || wire > WIRE_NAME_MAX)
			return SENSE_E_FORMAT;
		if (r->len - at < n)
			return SENSE_E_TRUNCATED;
		if (to != text)
			*to++ = '.';
		to = label_text(to, msg + at, n);
		at += n;
	}
	if (!jumped)
		r->pos = at;
	*to = '\0';
	return SENSE_OK;
}

/* Steps over a name; where a pointer leads does not matter, nobody follows it. */
static enum sense_status name_skip(struct reader *r)
{
	size_t from = r->pos;
	while (left(r, 1)) {
		uint8_t n = r->msg[r->pos++];
		if (!n)
			return SENSE_OK;
		if (n >= 0xc0) {
			if (!left(r, 1))
				return SENSE_E_TRUNCATED;
			r->pos++;
			return SENSE_OK;
		}
		if (n > LABEL_MAX || r->pos + n - from > WIRE_NAME_MAX)
			return SENSE_E_FORMAT;
		if (!left(r, n))
			return SENSE_E_TRUNCATED;
		r->pos += n;
	}
	return SENSE_E_TRUNCATED;
}

static void answer_add(struct sense_dns *out, const uint8_t *bytes, size_t size, uint32_t ttl)
{
	static const uint8_t mapped[12] = { [10] = 0xff, [11] = 0xff };
	if (out->answer_count == SENSE_DNS_ANSWERS_MAX) {
		out->answers_cut = true;
		return;
	}
	struct sense_dns_answer *answer = &out->answers[out->answer_count++];
	answer->ttl = ttl;
	if (size == 4) {
		memcpy(answer->addr.bytes, mapped, sizeof(mapped));
		memcpy(answer->addr.bytes + 12, bytes, 4);
	} else {
		memcpy(answer->addr.bytes, bytes, 16);
	}
}

/* RFC 9460, 2.2: priority, target name, then parameters of key, length and value. */
static void https_read(struct sense_dns *out, const uint8_t *data, size_t len, uint32_t ttl)
{
	struct reader r = { .msg = data, .len = len, .pos = 2 };
	if (len < 3 || !be16(data) || name_skip(&r)) /* priority 0 is AliasMode: no parameters */
		return;
	while (left(&r, 4)) {
		uint16_t key = be16(data + r.pos);
		size_t size = be16(data + r.pos + 2);
		r.pos += 4;
		if (!left(&r, size))
			return;
		size_t step = key == SVC_IPV4HINT ? 4 : key == SVC_IPV6HINT ? 16 : 0;
		for (size_t i = 0; step && size - i >= step; i += step)
			answer_add(out, data + r.pos + i, step, ttl);
		if (key == SVC_ECH && size)
			out->ech = true;
		r.pos += size;
	}
}

static enum sense_status record_read(struct reader *r, struct sense_dns *out)
{
	enum sense_status status = name_skip(r);
	if (status)
		return status;
	if (!left(r, RECORD_FIXED))
		return SENSE_E_TRUNCATED;
	const uint8_t *p = r->msg + r->pos;
	uint16_t type = be16(p);
	bool internet = (be16(p + 2) & 0x7fff) == CLASS_IN; /* top bit: mDNS cache flush */
	uint32_t ttl = be32(p + 4);
	size_t size = be16(p + 8);
	r->pos += RECORD_FIXED;
	if (!left(r, size))
		return SENSE_E_TRUNCATED;
	const uint8_t *data = r->msg + r->pos;
	r->pos += size;
	if (ttl > INT32_MAX)
		ttl = 0; /* RFC 2181, 8 */
	if (!internet)
		return SENSE_OK;
	if ((type == SENSE_DNS_A && size == 4) || (type == SENSE_DNS_AAAA && size == 16))
		answer_add(out, data, size, ttl);
	else if (type == SENSE_DNS_HTTPS)
		https_read(out, data, size, ttl);
	return SENSE_OK;
}

static bool class_known(uint16_t class)
{
	class &= 0x7fff; /* top bit: mDNS asks for a unicast answer (RFC 6762, 5.4) */
	return class == CLASS_IN || class == CLASS_CHAOS || class == CLASS_HESIOD ||
	       class == CLASS_NONE || class == CLASS_ANY;
}

static enum sense_status question_read(struct reader *r, struct sense_dns *out, bool first)
{
	enum sense_status status = first ? name_read(r, out->name) : name_skip(r);
	if (!status && !left(r, 4))
		status = SENSE_E_TRUNCATED;
	if (!status && !class_known(be16(r->msg + r->pos + 2)))
		status = SENSE_E_FORMAT;
	if (status) {
		if (first)
			out->name[0] = '\0';
		return status;
	}
	if (first)
		out->type = be16(r->msg + r->pos);
	r->pos += 4;
	return SENSE_OK;
}

enum sense_status sense_dns_parse(const uint8_t *msg, size_t len, struct sense_dns *out)
{
	struct reader r = { .msg = msg, .len = len, .pos = HEADER_LEN };
	out->name[0] = '\0';
	out->id = out->type = 0;
	out->response = out->ech = out->answers_cut = false;
	out->rcode = 0;
	out->answer_count = 0;
	if (len < HEADER_LEN)
		return SENSE_E_TRUNCATED;
	out->id = be16(msg);
	out->response = msg[2] & 0x80;
	out->rcode = msg[3] & 0x0f;
	unsigned opcode = msg[2] >> 3 & 0x0f;
	uint32_t questions = be16(msg + 4), answers = be16(msg + 6);
	uint32_t records = answers + be16(msg + 8) + be16(msg + 10);
	if (opcode > OPCODE_LAST || opcode == 3 || (!questions && !out->response))
		return SENSE_E_FORMAT;
	/* More than any message can hold: not DNS. More than this one holds: it was cut. */
	size_t least = HEADER_LEN + (size_t)questions * QUESTION_MIN + (size_t)records * RECORD_MIN;
	if (least > UINT16_MAX)
		return SENSE_E_FORMAT;
	for (uint32_t i = 0; i < questions; i++) {
		enum sense_status status = question_read(&r, out, !i);
		if (status)
			return status;
	}
	if (!out->response || opcode != OPCODE_QUERY)
		return SENSE_OK;
	for (uint32_t i = 0; i < answers; i++) {
		enum sense_status status = record_read(&r, out);
		if (status)
			return status;
	}
	return SENSE_OK;
}
