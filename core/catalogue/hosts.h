/*
 * Which catalogue row a host name falls under. One table holds, for each name that some row ends
 * with, its exact row, its suffix row and the globs below it; a look-up probes it once a label, from
 * the whole name down, so a host that is no AI service costs a handful of misses.
 */
#ifndef SENSE_CATALOGUE_HOSTS_H
#define SENSE_CATALOGUE_HOSTS_H

#include "core/catalogue/catalogue.h"
#include "core/catalogue/namemap.h"

#define SENSE_HOST_NAME_MAX 253u /* RFC 1035, 2.3.4, in text form */

/* Rows and globs are numbered from 1 here: 0 is none. */
struct sense_host_entry {
	uint16_t exact;
	uint16_t suffix;
	uint16_t globs; /* first of the chain */
};

struct sense_host_glob {
	const char *pattern;
	uint16_t row;
	uint16_t next;
};

#define SENSE_HOSTS_FILTER_BITS 15u

struct sense_hosts {
	struct sense_namemap names;
	uint64_t *filter; /* bits of names that may be there: spares most misses their hash */
	struct sense_host_entry *entries; /* by number of the name */
	struct sense_host_glob *globs;    /* [0] is unused */
	unsigned glob_count;
	size_t shortest, longest; /* length of the names */
};

enum sense_status sense_hosts_init(struct sense_hosts *hosts, struct sense_arena *arena,
                                   unsigned capacity);
/*
 * Adds row number `row` (from 1). NULL when it is in; otherwise what is wrong with the domain, as
 * the end of a sentence.
 */
const char *sense_hosts_add(struct sense_hosts *hosts, const char *domain,
                            enum sense_host_match match, uint16_t row);
/* Row number, or 0. */
unsigned sense_hosts_find(const struct sense_hosts *hosts, const char *host, size_t len);

#endif
