/*
 * DNS messages (RFC 1035; RFC 9460 for HTTPS records): the question and the answers that tie a name
 * to addresses. Names are lower-cased, without the trailing dot; bytes that are not printable ASCII,
 * and dots and backslashes within a label, become \DDD (RFC 4343), so that a '.' in a name always
 * separates labels. Compression pointers may only lead backwards, so parsing ends.
 */
#ifndef SENSE_NAMES_DNS_H
#define SENSE_NAMES_DNS_H

#include "core/flow/packet.h"

#define SENSE_DNS_NAME_MAX 1016 /* 253 characters, each of which may be escaped */
#define SENSE_DNS_ANSWERS_MAX 32

enum { SENSE_DNS_A = 1, SENSE_DNS_CNAME = 5, SENSE_DNS_AAAA = 28, SENSE_DNS_HTTPS = 65 };

struct sense_dns_answer {
	struct sense_addr addr;
	uint32_t ttl;
};

struct sense_dns {
	char name[SENSE_DNS_NAME_MAX]; /* of the first question */
	uint16_t id;
	uint16_t type;
	bool response;
	uint8_t rcode;
	bool ech;              /* an HTTPS record offers Encrypted ClientHello */
	unsigned answer_count; /* addresses of A, AAAA and HTTPS hints, whatever CNAMEs led there */
	bool answers_cut;      /* there were more than SENSE_DNS_ANSWERS_MAX */
	struct sense_dns_answer answers[SENSE_DNS_ANSWERS_MAX];
};

/*
 * One message without the TCP length prefix. SENSE_OK, SENSE_E_FORMAT (cannot be DNS), or
 * SENSE_E_TRUNCATED: it ends early, and what was read before is in *out; `name` is "" when not even
 * the first question is whole (or there is none, as in multicast responses). Answers beyond
 * answer_count are not set. Records behind the answers (EDNS among them) are not looked at.
 */
enum sense_status sense_dns_parse(const uint8_t *msg, size_t len, struct sense_dns *out);

/*
 * DNS over TCP (RFC 7766): messages behind a two-byte length, possibly over several segments.
 * In-order bytes of one direction (repeated ones are skipped); a gap loses that direction. Calls
 * `each` for every message. *state is NULL at first and belongs to the caller until False.
 */
typedef struct sense_dns_tcp sense_dns_tcp;
typedef void sense_dns_each(void *context, const struct sense_dns *dns);
/* False when the stream is not DNS or lost its order: stop calling. *state is then NULL. */
bool sense_dns_tcp_segment(sense_dns_tcp **state, uint32_t seq, const uint8_t *data, size_t len,
                           sense_dns_each *each, void *context);
void sense_dns_tcp_free(sense_dns_tcp *state);

#endif
