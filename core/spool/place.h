/*
 * Where a spool lies: a directory of mode 0700 that one process at a time holds, and what is set aside in it.
 *
 *   key                         the host key (core/spool/hostkey.h)
 *   lock                        locked by the process that holds the spool
 *   spool.mdb                   the store (core/spool/store.h)
 *   spool.unreadable-TIME[-N]   stores that could not be read; key.unreadable-TIME likewise. Never removed
 * here.
 */
#ifndef SENSE_SPOOL_PLACE_H
#define SENSE_SPOOL_PLACE_H

#include <stdbool.h>

#include "core/base/status.h"

#define SENSE_PLACE_PATH_MAX 3968u /* of the directory, so that names below it fit a path */

struct sense_place {
	char dir[SENSE_PLACE_PATH_MAX];
	int fd; /* of the directory */
	int lock;
};

/*
 * Makes the directory when it is missing and `make` says so, and locks it. An error names the process that
 * holds it. The lock is one of fcntl(2), on purpose: a worker that outlives the supervisor which forked it
 * does not hold it on. Nor does it keep a process from opening the same place twice: don't.
 */
enum sense_status sense_place_open(struct sense_place *place, const char *dir, bool make, sense_error *err);
void sense_place_close(struct sense_place *place);

bool sense_place_has(const struct sense_place *place, const char *name);
/* Renames `name` to STEM.unreadable-TIME in the same directory; `as` (64 bytes) gets the new name. */
enum sense_status sense_place_set_aside(const struct sense_place *place, const char *name, const char *stem,
                                        char as[64], sense_error *err);
/* How many things of this stem lie there set aside. */
unsigned sense_place_aside(const struct sense_place *place, const char *stem);

#endif
