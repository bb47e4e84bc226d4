/* Both decoders of proto/: what they take must come out the same when it is sent again. */
#include <stdlib.h>
#include <string.h>

#include "proto/finding.h"
#include "proto/flowrecord.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void finding(const uint8_t *data, size_t size)
{
	static char storage[SENSE_FINDING_BYTES_MAX], again_storage[SENSE_FINDING_BYTES_MAX];
	static uint8_t first[SENSE_FINDING_BYTES_MAX], second[SENSE_FINDING_BYTES_MAX];
	struct sense_finding finding, again;
	const char *why;

	if (!sense_finding_decode(data, size, storage, sizeof(storage), &finding, &why)) {
		if (!why)
			abort();
		return;
	}
	/* An input of short forms may be larger when written in full: that alone is no fault. */
	size_t len = sense_finding_encode(&finding, first, sizeof(first));
	if (!len)
		return;
	if (!sense_finding_decode(first, len, again_storage, sizeof(again_storage), &again, &why) ||
	    sense_finding_encode(&again, second, sizeof(second)) != len || memcmp(first, second, len))
		abort();
}

static void record(const uint8_t *data, size_t size)
{
	static char storage[SENSE_FLOWRECORD_BYTES_MAX], again_storage[SENSE_FLOWRECORD_BYTES_MAX];
	static uint8_t first[SENSE_FLOWRECORD_BYTES_MAX], second[SENSE_FLOWRECORD_BYTES_MAX];
	struct sense_flowrecord flow, again;
	const char *why;

	if (!sense_flowrecord_decode(data, size, storage, sizeof(storage), &flow, &why)) {
		if (!why)
			abort();
		return;
	}
	size_t len = sense_flowrecord_encode(&flow, first, sizeof(first));
	if (!len)
		return;
	if (!sense_flowrecord_decode(first, len, again_storage, sizeof(again_storage), &again, &why) ||
	    sense_flowrecord_encode(&again, second, sizeof(second)) != len || memcmp(first, second, len))
		abort();
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	finding(data, size);
	record(data, size);
	return 0;
}
