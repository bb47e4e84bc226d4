/*
 * Forking the processes of the agent: a child never acts on the signals of the terminal or of the service
 * manager, which are its parent's to answer, and does not outlive its parent.
 */
#ifndef SENSE_PROC_CHILD_H
#define SENSE_PROC_CHILD_H

#include <sys/types.h>

/* As fork(2): 0 in the child. The calling process must have one thread. */
pid_t sense_child_fork(void);

#endif
