/*
 * The master's processes, between master.c and crew.c.
 */
#ifndef SENSE_SERVER_PROC_INTERNAL_H
#define SENSE_SERVER_PROC_INTERNAL_H

#include <signal.h>
#include <sys/types.h>

#include "server/proc/master.h"

#define PROCESSES_MAX (SENSE_CHILDREN_MAX + 3 * SENSE_LISTEN_SLOTS_MAX)

/* One configuration and its sockets, as long as a process uses them. */
struct generation {
	struct sense_master_config config;
	struct sense_listen listen;
	unsigned number; /* 0: none */
};

enum phase { ABSENT, STARTING, READY, DONE /* ONCE, and it ended well */ };

/* A process that is there, or shall be. */
struct member {
	int child; /* of the table; -1: a worker */
	unsigned slot;
	enum phase phase;
	pid_t pid;
	int ready_fd;
	bool leaving;      /* told to end */
	unsigned failures; /* deaths in a row, each soon after its start */
	uint64_t began_us;
	uint64_t due_us; /* absent: when it is started; leaving: when it is killed */
	unsigned generation;
};

/* Starts it. False: no process could be made, which is tried again later. */
bool member_start(struct member *member, const struct sense_master *master,
                  const struct generation *generation, const sigset_t *unblocked);
void member_stop(struct member *member, uint64_t drain_us);
/* It has ended: what is to be done about it is set in due_us. Returns whether that was its wish. */
bool member_ended(struct member *member, const struct sense_master *master, int wait_status);
const char *member_name(const struct member *member, const struct sense_master *master, char *out,
                        size_t cap);

#endif
