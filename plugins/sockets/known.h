/*
 * Sockets that were seen, by cookie: who holds them, and what was told of them. Grows up to KNOWN_MAX;
 * entries are pointers into the table, good until the next known_add or known_purge.
 */
#ifndef SOCKETS_KNOWN_H
#define SOCKETS_KNOWN_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "holders.h"

enum { KNOWN_MAX = 65536 };

struct known_socket {
	uint64_t cookie;      /* 0: the slot is free */
	struct holder holder; /* pid 0: not found */
	uint64_t retry_us;    /* not looked for before */
	uint32_t told;        /* hash of the address pair that was told; 0: none */
	uint16_t generation;  /* of the sweep that saw it last */
	uint8_t class;        /* of the sweep, a bit */
	uint8_t tries;
};

struct known {
	struct known_socket *slots;
	size_t room, count;
};

void known_fini(struct known *known);
struct known_socket *known_find(const struct known *known, uint64_t cookie); /* or NULL */
/* The entry of this cookie, made if need be. NULL: no room. */
struct known_socket *known_add(struct known *known, uint64_t cookie);
/* Drops those of these classes that this generation did not see. */
void known_purge(struct known *known, uint8_t classes, uint16_t generation);

#endif
