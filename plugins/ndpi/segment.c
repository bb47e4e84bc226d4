#include "plugins/ndpi/segment.h"

#include <string.h>

#define IP4_HEADER 20u
#define IP6_HEADER 40u
#define TCP_HEADER 20u
#define PROTOCOL_TCP 6

static unsigned u16(const uint8_t *p)
{
	return (unsigned)p[0] << 8 | p[1];
}

static uint32_t u32(const uint8_t *p)
{
	return (uint32_t)u16(p) << 16 | u16(p + 2);
}

struct segment segment_find(const uint8_t *ip, unsigned len)
{
	struct segment none = {0}, s = {.ip = ip};
	const uint8_t *tcp;

	if (len >= IP4_HEADER && ip[0] >> 4 == 4 && ip[9] == PROTOCOL_TCP && !(u16(ip + 6) & 0x3fff)) {
		s.headers = (ip[0] & 15u) * 4;
		s.len = u16(ip + 2);
	} else if (len >= IP6_HEADER && ip[0] >> 4 == 6 && ip[6] == PROTOCOL_TCP) {
		s.headers = IP6_HEADER;
		s.len = IP6_HEADER + u16(ip + 4);
	}
	if (s.headers < IP4_HEADER || s.len > len || s.headers + TCP_HEADER > s.len)
		return none;
	s.tcp = s.headers;
	tcp = ip + s.tcp;
	s.sport = (uint16_t)u16(tcp);
	s.dport = (uint16_t)u16(tcp + 2);
	s.seq = u32(tcp + 4);
	s.ack = u32(tcp + 8);
	s.flags = tcp[13];
	s.headers += (tcp[12] >> 4) * 4u;
	return (tcp[12] >> 4) * 4u >= TCP_HEADER && s.headers <= s.len ? s : none;
}

bool hold_add(struct hold *h, const struct segment *s)
{
	if (h->count == HOLD_PACKETS || s->len > sizeof(h->bytes) - h->used)
		return false;
	h->next = s->seq + segment_payload(s);
	h->packets[h->count].at = (uint16_t)h->used;
	h->packets[h->count].len = (uint16_t)s->len;
	h->packets[h->count].headers = (uint16_t)s->headers;
	memcpy(h->bytes + h->used, s->ip, s->len);
	h->used += s->len;
	h->count++;
	return true;
}

static bool append(uint8_t out[HELLO_MAX], unsigned *at, const uint8_t *bytes, unsigned len)
{
	if (len > HELLO_MAX - *at)
		return false;
	memcpy(out + *at, bytes, len);
	*at += len;
	return true;
}

unsigned hold_join(const struct hold *h, const struct segment *s, uint8_t out[HELLO_MAX])
{
	unsigned i, at = 0;

	for (i = 0; i < h->count; i++)
		if (!append(out, &at, h->bytes + h->packets[i].at + h->packets[i].headers,
			    h->packets[i].len - h->packets[i].headers))
			return 0;
	return append(out, &at, s->ip + s->headers, segment_payload(s)) ? at : 0;
}
