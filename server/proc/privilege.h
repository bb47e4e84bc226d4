/*
 * What the processes of the server give up: root, and the way back to it. And what they need: descriptors.
 */
#ifndef SENSE_SERVER_PROC_PRIVILEGE_H
#define SENSE_SERVER_PROC_PRIVILEGE_H

#include <stdbool.h>
#include <sys/types.h>

#include "core/base/status.h"

struct sense_user {
	char name[64];
	uid_t uid;
	gid_t gid;
	bool change; /* false: processes stay who they are */
};

/*
 * Whom processes of a server that root has started become. Not root: nobody else. A user that does not exist
 * is an error when somebody `chose` it, and otherwise said in the log: processes stay root's then.
 */
enum sense_status sense_user_find(const char *name, bool chosen, struct sense_user *out, sense_error *err);
/* Of this process, for good; no program that it starts gains privileges (PR_SET_NO_NEW_PRIVS). */
enum sense_status sense_user_become(const struct sense_user *user, sense_error *err);
/* Room for so many open descriptors in this process and its children, as far as it may. How many there are.
 */
unsigned long sense_descriptors_raise(unsigned long wanted);

#endif
