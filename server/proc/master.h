/*
 * The master: starts the server's processes, starts those again that die, and ends them. It takes no network
 * input.
 *
 * Its processes are children and workers. Children (embedded stores, migrations, the signer, jobs) begin in
 * the order of their table, each when the one before it is ready; then the workers, one a slot. A process
 * says that it is ready by a byte in a pipe. One that dies is started anew, at once the first time, then
 * after pauses that double while it keeps dying young; a worker's successor takes over the listening sockets
 * of its slot with all that waits in them.
 *
 * SIGTERM, SIGINT: workers, then children in the reverse order, are told to end (SIGTERM) and killed when
 * their time is over. SIGHUP: a new configuration is loaded and checked; a bad one changes nothing. Its
 * workers begin on the same sockets, and when all are ready the old ones are told to end, so no connection is
 * refused in between. When one of the new workers fails to begin, the old ones stay.
 */
#ifndef SENSE_SERVER_PROC_MASTER_H
#define SENSE_SERVER_PROC_MASTER_H

#include <stdbool.h>
#include <stdint.h>

#include "core/base/status.h"
#include "server/proc/listen.h"
#include "server/proc/privilege.h"

#define SENSE_CHILDREN_MAX 16u

enum sense_child_policy {
	SENSE_CHILD_KEEP, /* started again when it ends */
	SENSE_CHILD_ONCE  /* runs to its end before the next begins; anything but 0 ends the server */
};

/* What a process is given by the master. */
struct sense_server_process {
	const char *name;
	unsigned slot;       /* of workers: 0 on; of children 0 */
	unsigned generation; /* of the configuration: 1, 2, ... */
	int ready_fd;
	const struct sense_listen *listen;
	uint64_t drain_us; /* what it has to end in */
};

/* Tells the master, once; the descriptor is closed. */
void sense_server_process_ready(struct sense_server_process *process);

/* One further process of the server. */
struct sense_child {
	const char *name;
	enum sense_child_policy policy;
	bool privileged; /* stays root when the server is */
	bool anew;       /* a new configuration starts it again */
	/*
	 * Runs in the process, which has default signal actions but for SIGINT, SIGHUP and SIGPIPE, which it
	 * ignores; SIGTERM asks it to end. config: what `load` made. Returns the exit code.
	 */
	int (*main)(void *self, void *config, struct sense_server_process *process);
	void *self;
};

/* What one configuration comes to; made by `load` in the master, before anything is started with it. */
struct sense_master_config {
	void *config;
	unsigned workers;
	const char *const *addresses;
	unsigned address_count;
	struct sense_user user;
	uint64_t drain_us;
	unsigned long descriptors; /* that a worker needs */
};

struct sense_master {
	void *self;
	enum sense_status (*load)(void *self, struct sense_master_config *out, sense_error *err);
	void (*unload)(void *self, void *config);
	int (*worker)(void *config,
	              struct sense_server_process *process); /* runs in the worker; the exit code */
	const struct sense_child *children;
	unsigned child_count;
};

/* Runs until told to end. The exit code: 0 when it was told, 1 when something did not begin. */
int sense_master_run(const struct sense_master *master);

#endif
