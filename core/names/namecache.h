/*
 * Which name an address was resolved from: bounded, least recently used out first, and each entry
 * ends with its record's TTL (at least 60 s, at most a day of capture time).
 * The client is part of the key: another client's answer is used only when this client has none.
 * Answers that stand for 'blocked' (0.0.0.0, ::, loopback) are not learned.
 * The strings' table must outlive the cache.
 */
#ifndef SENSE_NAMES_NAMECACHE_H
#define SENSE_NAMES_NAMECACHE_H

#include "core/base/intern.h"
#include "core/names/dns.h"

typedef struct sense_namecache sense_namecache;

sense_namecache *sense_namecache_new(sense_intern *strings, unsigned max_entries);
void sense_namecache_free(sense_namecache *cache);
void sense_namecache_learn(sense_namecache *cache, const struct sense_addr *client,
                           const struct sense_dns *response, uint64_t ts_us);
/* The name, borrowed until the next learn; NULL when none is known. */
const struct sense_str *sense_namecache_find(sense_namecache *cache, const struct sense_addr *client,
                                             const struct sense_addr *server, uint64_t ts_us);

#endif
