/*
 * Names of users by /etc/passwd alone: the system's own look-up may ask the network, which a sensor must not
 * wait for, nor reach. Who stands elsewhere is told by number. Read anew when the file has changed, looked at
 * once a second at most; USERS_MAX names are remembered.
 */
#ifndef PROCS_USERS_H
#define PROCS_USERS_H

#include <stdint.h>
#include <time.h>

enum { USERS_MAX = 1024, USER_NAME_MAX = 40, PASSWD_MAX = 1 << 20 };

struct user {
	uint32_t uid;
	char name[USER_NAME_MAX]; /* "": free */
};

struct users {
	struct user slots[USERS_MAX]; /* by uid; a later one takes the place of another */
	char *passwd;                 /* the file's text */
	long long inode, size, mtime; /* of what was read, mtime in ns */
	time_t looked;
};

/* Borrowed until the next call. */
const char *users_name(struct users *users, uint32_t uid);
void users_fini(struct users *users);

#endif
