/*
 * Hashing of keys that outsiders choose: seeded per process, so that collisions cannot be prepared.
 * The mixer is the folded 64x64->128 bit multiplication (Yi, "wyhash", public domain).
 */
#ifndef SENSE_BASE_HASH_H
#define SENSE_BASE_HASH_H

#include <stddef.h>
#include <stdint.h>
#include <string.h>

static inline uint64_t sense_hash_fold(uint64_t a, uint64_t b)
{
	__extension__ typedef unsigned __int128 u128;
	u128 product = (u128)a * b;
	return (uint64_t)product ^ (uint64_t)(product >> 64);
}

#define SENSE_HASH_K0 UINT64_C(0xa0761d6478bd642f)
#define SENSE_HASH_K1 UINT64_C(0xe7037ed1a0b428db)

static inline uint64_t sense_hash_load(const uint8_t *p, size_t n)
{
	uint64_t v = 0;
	memcpy(&v, p, n);
	return v;
}

static inline uint64_t sense_hash(const void *data, size_t len, uint64_t seed)
{
	const uint8_t *p = data;
	uint64_t h = seed ^ SENSE_HASH_K0;
	size_t left = len;
	for (; left > 16; left -= 16, p += 16)
		h = sense_hash_fold(sense_hash_load(p, 8) ^ SENSE_HASH_K1, sense_hash_load(p + 8, 8) ^ h);
	uint64_t a = sense_hash_load(p, left < 8 ? left : 8);
	uint64_t b = left > 8 ? sense_hash_load(p + 8, left - 8) : 0;
	return sense_hash_fold(SENSE_HASH_K1 ^ len, sense_hash_fold(a ^ SENSE_HASH_K1, b ^ h));
}

/* The seed of this process: random, or SENSE_HASH_SEED for runs that must repeat exactly. */
uint64_t sense_hash_seed(void);

#endif
