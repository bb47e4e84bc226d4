/*
 * Frames of all link types, and reassembly of what turns out to be fragments.
 * Input: link type (an index), then frames, each behind two bytes with its length.
 */
#include <stdlib.h>
#include <string.h>

#include "core/flow/frag.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void check(bool good)
{
	if (!good)
		abort();
}

static void check_decoded(const struct sense_decoded *out, const uint8_t *start, size_t length)
{
	check(out->ip >= start && out->ip + out->ip_len <= start + length);
	check(out->payload_len <= out->payload_wire);
	check(!out->payload == !out->payload_len);
	if (out->payload)
		check(out->payload >= out->ip && out->payload + out->payload_len <= out->ip + out->ip_len);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static const uint16_t links[] = {1,   0,   9,   12,  14,  50,  101, 104,
	                                 105, 108, 113, 127, 228, 229, 276, 999};
	if (size < 1)
		return 0;
	uint16_t link = links[data[0] % (sizeof links / sizeof *links)];
	sense_frag *frag = sense_frag_new(8);
	uint64_t ts = 1;
	check(frag);
	data++, size--;
	while (size > 2) {
		size_t length = data[0] | (size_t)(data[1] & 0x0f) << 8;
		bool cut = data[1] & 0x80;
		data += 2, size -= 2;
		length = length < size ? length : size;
		uint8_t *exact = malloc(length ? length : 1);
		check(exact);
		memcpy(exact, data, length);
		struct sense_packet packet = {.data = exact,
		                              .ts_us = ts += 500000,
		                              .caplen = (uint32_t)length,
		                              .len = (uint32_t)length + (cut ? 1000 : 0),
		                              .link = link};
		struct sense_decoded out, whole;
		enum sense_decode_result result = sense_packet_decode(&packet, &out);
		if (result == SENSE_DECODE_OK)
			check_decoded(&out, exact, length);
		if (result == SENSE_DECODE_FRAGMENT) {
			check(out.frag_data >= exact && out.frag_data + out.frag_len <= exact + length);
			if (sense_frag_add(frag, &out, &whole))
				check_decoded(&whole, whole.ip, 65535 + 40);
		}
		free(exact);
		data += length, size -= length;
	}
	sense_frag_free(frag);
	return 0;
}
