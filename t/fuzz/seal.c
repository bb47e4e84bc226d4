/*
 * Sealed records, any bytes: opened only when they are what was sealed. The input is a record; and then it is
 * what a sealed record is changed by, which must notice.
 */
#include <stdlib.h>
#include <string.h>

#include "core/spool/seal.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* A copy of exactly this size, so that a byte too far is seen. */
static uint8_t *copy_of(const uint8_t *data, size_t size)
{
	uint8_t *copy = malloc(size ? size : 1);
	if (!copy)
		abort();
	memcpy(copy, data, size);
	return copy;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static const uint8_t key[SENSE_SEAL_KEY] = {1, 2, 3};
	sense_seal *seal = sense_seal_new(key, "", NULL);
	if (!seal)
		abort();
	uint8_t *input = copy_of(data, size);
	uint8_t *plain = malloc(size + 1), *sealed = malloc(size + SENSE_SEAL_EXTRA);
	if (!plain || !sealed)
		abort();
	/* Nobody without the key makes one: 2^-128. */
	if (sense_seal_unwrap(seal, input, size < 10 ? size : 10, input, size, plain))
		abort();
	if (!sense_seal_wrap(seal, input, size % 11, input, size, sealed) ||
	    !sense_seal_unwrap(seal, input, size % 11, sealed, size + SENSE_SEAL_EXTRA, plain) ||
	    memcmp(plain, input, size))
		abort();
	if (size && input[0]) {
		sealed[size / 2] ^= input[0];
		if (sense_seal_unwrap(seal, input, size % 11, sealed, size + SENSE_SEAL_EXTRA, plain))
			abort();
	}
	free(input);
	free(plain);
	free(sealed);
	sense_seal_free(seal);
	return 0;
}
