/*
 * Every decoder of proto/message.h, chosen by the first byte: what is taken must be written, in no more bytes
 * than it came in, and be the same when it is read again.
 */
#include "t/00-unit/proto_message.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void check(bool holds)
{
	if (!holds)
		abort();
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	if (!size)
		return 0;
	const struct proto_sample *sample = &proto_samples[*data++ % PROTO_SAMPLES];
	const char *why = NULL;

	if (!sample->again)
		return 0;
	size--;
	struct sense_wire_writer first = {.data = malloc(size + 1), .cap = size + 1};
	struct sense_wire_writer second = {.data = malloc(size + 1), .cap = size + 1};
	if (sample->again(data, size, &first, &why)) {
		check(!why && !first.full && first.len <= size);
		check(sample->again(first.data, first.len, &second, &why) && !why && !second.full);
		check(first.len == second.len && !memcmp(first.data, second.data, first.len));
	} else {
		check(why != NULL);
	}
	free(first.data);
	free(second.data);
	return 0;
}
