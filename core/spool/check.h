/*
 * Whether a store can be trusted, tried where a crash does no harm.
 *
 * LMDB follows what the file says. On a file that was cut short (SIGBUS) or holds garbage in the middle it may
 * crash, so a store is walked from end to end by a forked child first: every page that can be reached is
 * touched, sizes and order of keys are looked at, and what the state counts is counted. Records are not
 * opened: one that was tampered with is found when it is read.
 */
#ifndef SENSE_SPOOL_CHECK_H
#define SENSE_SPOOL_CHECK_H

#include "core/spool/store.h"

enum sense_check {
	SENSE_CHECK_GOOD,
	SENSE_CHECK_DAMAGED, /* `why` says what is wrong with it */
	SENSE_CHECK_FAILED   /* could not be found out: no memory, no right to read it, ... */
};

/* The caller must be able to wait for the child: SIGCHLD is not ignored. */
enum sense_check sense_check_store(const char *path, uint64_t max_bytes, char *why, size_t cap);

#endif
