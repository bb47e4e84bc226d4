/*
 * What rules count, in memory that a hostile worker wrote: a byte with the number of operations, these, and
 * the rest, which is laid over the block (by exclusive or, so that keys can be spared) when half of them are
 * done. Answers must be numbers, and in time.
 */
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "core/rules/state.h"

#define BLOCK 8320 /* a head and two buckets, in whole cache lines */
#define OPERATION 12

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static struct sense_state state;
static _Alignas(64) uint8_t block[BLOCK];
static uint64_t now;

static void check(bool good)
{
	if (!good)
		abort();
}

static double number_of(const uint8_t *bytes)
{
	int64_t n;
	memcpy(&n, bytes, sizeof n);
	return (double)(n >> 11);
}

/* What to do, with which of 64 keys and 4 windows; eight bytes for it. */
static void operate(const uint8_t op[OPERATION])
{
	static const uint64_t windows[] = {SENSE_SLIDING_WINDOW_MIN, 3600000000u, 86400000001u,
	                                   SENSE_SLIDING_WINDOW_MAX};
	struct sense_state_key key = {(uint64_t)(op[1] & 3) << 32, (const char *)op + 2, 1,
	                              windows[op[1] >> 2 & 3], now};
	uint64_t word;
	memcpy(&word, op + 4, sizeof word);
	switch (op[0] % 8) {
	case 0:
		check(isfinite(sense_state_sum(&state, &key, number_of(op + 4))));
		break;
	case 1:
		check(sense_state_distinct(&state, &key, (const char *)op + 4, 8) >= 1);
		break;
	case 2:
		check(isfinite(sense_state_get(&state, &key)));
		break;
	case 3:
		sense_state_first(&state, &key);
		break;
	case 4:
		sense_state_last(&state, &key);
		break;
	case 5:
		now = word;
		break;
	case 6:
		now += word % (2 * SENSE_SLIDING_WINDOW_MAX);
		break;
	case 7:
		memcpy(block + 64 + (op[2] | op[3] << 8) % (BLOCK - 64 - 8), op + 4, 8);
		break;
	}
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	unsigned count = size ? data[0] : 0;
	if (size < 1 + (size_t)count * OPERATION)
		return 0;
	const uint8_t *over = data + 1 + (size_t)count * OPERATION;
	size_t over_size = size - 1 - (size_t)count * OPERATION;
	now = UINT64_C(1700000000000000);
	memset(block, 0, sizeof block);
	check(!sense_state_attach(&state, block, sizeof block, 25, NULL));
	for (unsigned i = 0; i < count; i++) {
		operate(data + 1 + (size_t)i * OPERATION);
		for (size_t j = 0; i == count / 2 && j < over_size && j < BLOCK - 64; j++)
			block[64 + j] ^= over[j];
	}
	check(!sense_state_attach(&state, block, sizeof block, 25, NULL));
	for (unsigned i = 0; i < count; i++)
		operate(data + 1 + (size_t)i * OPERATION);
	return 0;
}
