/*
 * The processes that this sensor knows, by pid: just enough to tell a pid that was given away again, and what
 * is still to be done about each. What they are, the host keeps.
 *
 * Bounded: KNOWN_MAX entries of 40 bytes. Pointers are good until the next put or remove.
 */
#ifndef PROCS_TABLE_H
#define PROCS_TABLE_H

#include <stdbool.h>
#include <stdint.h>

#define KNOWN_MAX (1u << 18)

enum known_flag {
	KNOWN_TOLD = 1,     /* to the host */
	KNOWN_FORKED = 2,   /* not looked at yet: most execute something at once, or end */
	KNOWN_KERNEL = 4,   /* a thread of the kernel's, which is no program */
	KNOWN_UNHASHED = 8, /* its executable's hash is wanted */
	KNOWN_PENDING = 16, /* to be looked at when the delay is over */
	KNOWN_GPU = 32,     /* was told to hold one */
	KNOWN_NO_EXE = 64   /* its executable could not be read */
};

struct known {
	uint32_t pid; /* 0: free */
	uint32_t parent;
	uint64_t start; /* ticks since boot; 0: not known */
	uint64_t
	    start_us;  /* since the epoch, as it was told first: clocks are set, and it must stay the same */
	uint32_t name; /* hash of it */
	uint32_t file; /* short form of the executable's identity */
	uint8_t flags;
	uint8_t again;    /* how often it was told once more */
	uint8_t searched; /* how often for packages */
	uint8_t round;    /* of the look through /proc in which it was there */
};

struct table {
	struct known *slots;
	uint32_t mask, count;
};

bool table_init(struct table *table);
void table_fini(struct table *table);
struct known *table_find(const struct table *table, uint32_t pid);
/* The entry of the pid, zeroed when it is new; NULL: the table is full, or memory short. */
struct known *table_put(struct table *table, uint32_t pid);
void table_remove(struct table *table, struct known *known);

#endif
