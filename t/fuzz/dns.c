/*
 * DNS: the input as one message, and as a TCP stream whose first byte says how it is cut. Whatever
 * is read must hold the promises of the header.
 */
#include "core/names/dns.h"

#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void check(void *context, const struct sense_dns *dns)
{
	unsigned *messages = context;
	size_t len = strnlen(dns->name, SENSE_DNS_NAME_MAX);
	if (len >= SENSE_DNS_NAME_MAX || dns->answer_count > SENSE_DNS_ANSWERS_MAX)
		abort();
	for (size_t i = 0; i < len; i++) {
		if (dns->name[i] <= ' ' || dns->name[i] > '~' || (dns->name[i] >= 'A' && dns->name[i] <= 'Z'))
			abort();
	}
	for (unsigned i = 0; i < dns->answer_count; i++) {
		if (dns->answers[i].ttl > INT32_MAX)
			abort();
	}
	++*messages;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static struct sense_dns dns;
	unsigned messages = 0, whole = 0;
	dns.answer_count = ~0u;
	if (sense_dns_parse(data, size, &dns) != SENSE_E_FORMAT)
		check(&messages, &dns);
	if (!size)
		return 0;
	size_t step = data[0] + 1u;
	sense_dns_tcp *state = NULL;
	bool more = true;
	messages = 0;
	for (size_t at = 1; more && at < size; at += step) {
		size_t n = size - at < step ? size - at : step;
		more = sense_dns_tcp_segment(&state, (uint32_t)at, data + at, n, check, &messages);
		if (!more && state)
			abort();
	}
	sense_dns_tcp_free(state);
	/* How a stream is cut must not change what is in it. */
	state = NULL;
	sense_dns_tcp_segment(&state, 1, data + 1, size - 1, check, &whole);
	sense_dns_tcp_free(state);
	if (messages != whole)
		abort();
	return 0;
}
