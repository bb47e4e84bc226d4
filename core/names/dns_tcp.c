/* DNS over TCP: cuts a direction's bytes into messages. Only a message that is split is copied. */
#include "core/names/dns.h"

#include <stdlib.h>
#include <string.h>

enum { PREFIX = 2, MESSAGE_MIN = 12 };

struct sense_dns_tcp {
	uint32_t next; /* sequence number expected */
	uint32_t have; /* bytes of an incomplete message, its prefix included */
	uint32_t cap;
	uint8_t *bytes;
};

void sense_dns_tcp_free(sense_dns_tcp *state)
{
	if (!state)
		return;
	free(state->bytes);
	free(state);
}

static size_t message_len(const uint8_t *prefix)
{
	return (size_t)prefix[0] << 8 | prefix[1];
}

/* Room for what has arrived, not for what a prefix promises: promises cost an attacker nothing. */
static bool keep(sense_dns_tcp *state, const uint8_t *data, size_t len)
{
	size_t need = state->have + len;
	if (!len)
		return true;
	if (need > state->cap) {
		size_t cap = need < 512 ? 512 : need * 2;
		uint8_t *bytes = realloc(state->bytes, cap);
		if (!bytes)
			return false;
		state->bytes = bytes;
		state->cap = (uint32_t)cap;
	}
	memcpy(state->bytes + state->have, data, len);
	state->have += (uint32_t)len;
	return true;
}

static bool deliver(const uint8_t *message, size_t len, sense_dns_each *each, void *context)
{
	struct sense_dns dns;
	if (len < MESSAGE_MIN || sense_dns_parse(message, len, &dns))
		return false;
	each(context, &dns);
	return true;
}

/* Once the header of a split message is here: bytes that cannot be DNS are not collected. */
static bool begins_as_dns(const sense_dns_tcp *state, uint32_t had)
{
	struct sense_dns dns;
	if (state->have < PREFIX)
		return true;
	if (message_len(state->bytes) < MESSAGE_MIN)
		return false;
	if (had >= PREFIX + MESSAGE_MIN || state->have < PREFIX + MESSAGE_MIN)
		return true;
	return sense_dns_parse(state->bytes + PREFIX, state->have - PREFIX, &dns) != SENSE_E_FORMAT;
}

static size_t smaller(size_t a, size_t b)
{
	return a < b ? a : b;
}

/* Completes the message that was split before; *used is what it took of the segment. */
static bool resume(sense_dns_tcp *state, const uint8_t *data, size_t len, size_t *used,
                   sense_dns_each *each, void *context)
{
	uint32_t had = state->have;
	*used = had < PREFIX ? smaller(PREFIX - had, len) : 0;
	if (!keep(state, data, *used))
		return false;
	if (state->have < PREFIX)
		return true;
	size_t whole = PREFIX + message_len(state->bytes);
	size_t take = smaller(whole - state->have, len - *used);
	if (!keep(state, data + *used, take))
		return false;
	*used += take;
	if (state->have < whole)
		return begins_as_dns(state, had);
	if (!deliver(state->bytes + PREFIX, whole - PREFIX, each, context))
		return false;
	free(state->bytes);
	state->bytes = NULL;
	state->have = state->cap = 0;
	return true;
}

static bool messages(sense_dns_tcp *state, const uint8_t *data, size_t len, sense_dns_each *each,
                     void *context)
{
	size_t at = 0;
	if (state->have && !resume(state, data, len, &at, each, context))
		return false;
	while (len - at >= PREFIX) {
		size_t size = message_len(data + at);
		if (len - at - PREFIX < size)
			break;
		if (!deliver(data + at + PREFIX, size, each, context))
			return false;
		at += PREFIX + size;
	}
	if (at == len)
		return true;
	return keep(state, data + at, len - at) && begins_as_dns(state, 0);
}

bool sense_dns_tcp_segment(sense_dns_tcp **state, uint32_t seq, const uint8_t *data, size_t len,
                           sense_dns_each *each, void *context)
{
	if (!*state) {
		*state = calloc(1, sizeof(**state));
		if (!*state)
			return false;
		(*state)->next = seq;
	}
	int32_t ahead = (int32_t)(seq - (*state)->next);
	size_t old = ahead < 0 ? (size_t)-(int64_t)ahead : 0;
	if (ahead <= 0 && old >= len)
		return true; /* sent again */
	if (ahead <= 0 && messages(*state, data + old, len - old, each, context)) {
		(*state)->next += (uint32_t)(len - old);
		return true;
	}
	sense_dns_tcp_free(*state);
	*state = NULL;
	return false;
}
