/*
 * The process connector of Linux (Documentation/driver-api/connector.rst, linux/cn_proc.h): a netlink socket
 * on which the kernel tells forks, programs executed, names and users changed, and ends, as they happen.
 * Needs CAP_NET_ADMIN, and to be in the first namespaces of network and pids.
 *
 * What threads do is dropped in the kernel by a filter. What does not fit into the socket's buffer is lost,
 * which the kernel tells, but not how much it was.
 */
#ifndef PROCS_CONNECTOR_H
#define PROCS_CONNECTOR_H

#include <stdbool.h>
#include <stdint.h>

enum { CONNECTOR_BUFFER = 8 << 20, CONNECTOR_BATCH = 32 };

enum change_kind { CHANGE_FORK, CHANGE_EXEC, CHANGE_NAME, CHANGE_USER, CHANGE_EXIT };

struct change {
	enum change_kind kind;
	uint32_t pid;
	uint32_t parent;  /* CHANGE_FORK */
	int code;         /* CHANGE_EXIT: as a shell tells it */
	uint64_t time_ns; /* of CLOCK_MONOTONIC */
};

/* The socket; or -1, and *why says in words why there is none. */
int connector_open(const char **why);
void connector_close(int fd); /* -1 is fine */
/*
 * Takes what is there, at most CONNECTOR_BATCH changes, without waiting. Returns how many; *lost is set when
 * some were lost before.
 */
unsigned connector_read(int fd, struct change changes[CONNECTOR_BATCH], bool *lost);

#endif
