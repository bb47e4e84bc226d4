/*
 * Starting the uplink's process (plugins/uplink): it gives up what it need not have, gets a process that looks names up
 * for it, reads what this agent is, loads the plugin, and then loses files and privileges for good.
 */
#ifndef SENSE_LINK_PROCESS_H
#define SENSE_LINK_PROCESS_H

#include <sys/types.h>

#include "core/base/status.h"

struct sense_link_start {
	const char *plugins_dir;
	const char *agent_dir;         /* whose identity it reads; NULL: it enrols, and needs none */
	struct sense_uplink_want want; /* servers may be empty: those of the identity */
	void *
	    self; /* in the child, before all else: what is shared with others is given up. NULL: there is none */
	void (*leave)(void *self);
};

/*
 * *fd: this end of the socket between them (struct sense_uplink_head), which does not block. The calling process must
 * have one thread.
 */
enum sense_status sense_link_process_start(const struct sense_link_start *how, pid_t *pid, int *fd,
                                           sense_error *err);
/* Ends it, if it has not ended, and waits for it. The status of waitpid. */
int sense_link_process_end(pid_t pid, int fd);

#endif
