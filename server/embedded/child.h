/* Programs of others as children: as another user, with their output in a file. */
#ifndef SENSE_SERVER_EMBEDDED_CHILD_H
#define SENSE_SERVER_EMBEDDED_CHILD_H

#include <stdbool.h>
#include <sys/types.h>

struct sense_embedded_child {
	const char *const *argv; /* argv[0] is a path; ends with NULL */
	const char *log;         /* what it writes is appended here */
	const char *dir;         /* its working directory */
	uid_t uid;
	gid_t gid;
	int end_signal; /* it gets this when its parent ends; 0: none */
};

pid_t sense_embedded_spawn(const struct sense_embedded_child *child); /* -1: see errno */
/* Waits for it to end, `ms` at most, then kills it. The exit code; 128 + signal; -1: it had to be killed. */
int sense_embedded_wait(pid_t pid, unsigned ms);
/* Has it ended by itself within `ms`? Then *code is as above, and it is reaped. */
bool sense_embedded_ended(pid_t pid, unsigned ms, int *code);

#endif
