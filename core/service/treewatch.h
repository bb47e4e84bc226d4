/*
 * Tells when something changes in directories and below them, with calm before the call, so that an
 * editor's or a deployment's many steps are one change.
 */
#ifndef SENSE_SERVICE_TREEWATCH_H
#define SENSE_SERVICE_TREEWATCH_H

#include "core/base/status.h"

struct ev_loop;
typedef struct sense_treewatch sense_treewatch;

/*
 * Calls changed(self) 200 ms after the latest change, or 2 s after the first of a long series. A path that
 * is a file is watched through its directory. SENSE_E_IO: the system cannot tell.
 */
sense_treewatch *sense_treewatch_open(struct ev_loop *loop, const char *const *paths, unsigned count,
                                      void (*changed)(void *self), void *self, sense_error *err);
void sense_treewatch_close(sense_treewatch *watch); /* NULL is fine */

#endif
