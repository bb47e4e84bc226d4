/*
 * Interned strings: thousands of flows name the same host, user agent and ALPN list; each text is
 * kept once with a reference count. Two equal strings of one table have the same address.
 * Bounded: when `limit` bytes are held, sense_intern returns NULL and the caller goes without.
 */
#ifndef SENSE_BASE_INTERN_H
#define SENSE_BASE_INTERN_H

#include <stddef.h>
#include <stdint.h>

struct sense_str {
	uint32_t refs;
	uint32_t hash; /* low half of sense_hash(text, len, sense_hash_seed()) */
	uint32_t len;
	uint64_t memo; /* 0 at first; what a matcher wants to remember of this text (rules/index.c) */
	char text[]; /* NUL-terminated; may hold any bytes */
};

typedef struct sense_intern sense_intern;

sense_intern *sense_intern_new(size_t limit);
void sense_intern_free(sense_intern *table);
/* A new reference to the text, which the caller gives back with sense_intern_unref. */
const struct sense_str *sense_intern_get(sense_intern *table, const char *text, size_t len);
const struct sense_str *sense_intern_ref(const struct sense_str *str);
void sense_intern_unref(sense_intern *table, const struct sense_str *str); /* str may be NULL */
size_t sense_intern_held(const sense_intern *table);                      /* bytes */

#endif
