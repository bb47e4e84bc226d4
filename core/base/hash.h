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

static inline uint64_t sense_hash_load8(const uint8_t *p)
{
	uint64_t v;
	memcpy(&v, p, sizeof v);
	return v;
}

/* Up to eight bytes as one number, by loads of fixed size: a memcpy of n would be a call. */
static inline uint64_t sense_hash_tail(const uint8_t *p, size_t n)
{
	uint32_t low, high;
	if (n >= 8)
		return sense_hash_load8(p);
	if (n >= 4) {
		memcpy(&low, p, sizeof low);
		memcpy(&high, p + n - 4, sizeof high);
		return (uint64_t)high << 32 | low;
	}
	return n ? (uint64_t)p[0] << 16 | (uint64_t)p[n / 2] << 8 | p[n - 1] : 0;
}

static inline uint64_t sense_hash(const void *data, size_t len, uint64_t seed)
{
	const uint8_t *p = data;
	uint64_t h = seed ^ SENSE_HASH_K0;
	size_t left = len;
	for (; left > 16; left -= 16, p += 16)
		h = sense_hash_fold(sense_hash_load8(p) ^ SENSE_HASH_K1, sense_hash_load8(p + 8) ^ h);
	uint64_t a = sense_hash_tail(p, left);
	uint64_t b = left > 8 ? sense_hash_tail(p + 8, left - 8) : 0;
	return sense_hash_fold(SENSE_HASH_K1 ^ len, sense_hash_fold(a ^ SENSE_HASH_K1, b ^ h));
}

/* The seed of this process: random, or SENSE_HASH_SEED for runs that must repeat exactly. */
uint64_t sense_hash_seed(void);

#endif
