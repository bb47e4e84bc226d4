/*
 * What steers a run from outside: SIGHUP, the control socket and changed files, which all ask for the same
 * reload; and the answers.
 *
 * Requests that come while a reload is under way are one more reload after it: whoever asks gets the
 * outcome of one that began after he asked.
 */
#ifndef SENSE_PROC_STEER_H
#define SENSE_PROC_STEER_H

#include "core/proc/supervisor.h"

typedef struct sense_steer sense_steer;

/*
 * For a job with policies. `view` is what the sink's `control` gets; it is completed here and read as
 * long as the run lasts. NULL: err says why the run cannot begin.
 */
sense_steer *sense_steer_begin(struct ev_loop *loop, const struct sense_job *job,
                               struct sense_supervisor_view *view, sense_error *err);
void sense_steer_end(sense_steer *steer); /* NULL is fine */

struct sense_generations *sense_steer_generations(sense_steer *steer);
/* False: this worker has to begin anew, it could not load what another one has at work. */
bool sense_steer_loaded(sense_steer *steer, unsigned worker, const struct sense_ipc_loaded *loaded);
/* A worker died. True when it was loading a candidate: the policies at work are not to blame. */
bool sense_steer_died(sense_steer *steer, unsigned worker, const char *how);

#endif
