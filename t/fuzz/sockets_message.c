/*
 * What the kernel hands over about sockets: messages of sock_diag (first byte even), records of the eBPF
 * programs (odd). A datagram must come to its end, and what is read must hold the promises of the headers.
 */
#include <stdlib.h>
#include <string.h>

#include "plugins/sockets/message.c"
#include "plugins/sockets/record.c"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void record_check(const uint8_t *data, size_t len)
{
	struct record record;
	if (record_read(data, len, &record) &&
	    (!record.local_port || strnlen(record.owner.comm, RECORD_COMM) >= RECORD_COMM))
		abort();
}

static void messages_check(const uint8_t *data, size_t len, uint32_t sequence)
{
	struct diag_socket found = {.l4 = L4_TCP};
	size_t at = 0, before = 0;
	int error = 0;
	for (enum message message;
	     (message = message_next(data, len, &at, sequence, &found, &error)) != MESSAGE_END;) {
		if (at <= before || at > len || found.l4 != L4_TCP ||
		    (message == MESSAGE_ERROR && error <= 0))
			abort();
		before = at;
		if (message != MESSAGE_SOCKET)
			continue;
		if (address_is_any(found.local) && address_is_loopback(found.local))
			abort();
	}
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	if (!size)
		return 0;
	uint8_t *exact = malloc(size);
	if (!exact)
		abort();
	memcpy(exact, data + 1, size - 1);
	uint8_t *tight = realloc(exact, size > 1 ? size - 1 : 1);
	if (data[0] & 1)
		record_check(tight, size - 1);
	else
		messages_check(tight, size - 1, data[0] >> 1);
	free(tight);
	return 0;
}
