/*
 * Quantities as people write them.
 *
 * Bytes: "512", "10k", "64KiB", "1.5 MiB", "2GB". KiB, MiB, GiB and a bare k, m, g count in powers
 * of 1024; kB, MB, GB in powers of 1000 (IEC 80000-13). Durations: "250us", "5ms", "30s" or "30",
 * "10m", "2h", "1d". Numbers are decimal, not negative, and at most 2^53.
 */
#ifndef SENSE_CONF_UNITS_H
#define SENSE_CONF_UNITS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

bool sense_bytes_parse(const char *text, uint64_t *bytes);
bool sense_duration_parse(const char *text, uint64_t *us);
/* "1.2 MiB", "512 B" and "1m 30s", "350 ms", "12.5 s": for people, one decimal at most. */
void sense_bytes_format(double bytes, char *out, size_t cap);
void sense_duration_format(double seconds, char *out, size_t cap);

#endif
