/*
 * Which process holds a socket: /proc/PID/fd is read until each wanted inode was seen, proc_pid_fd(5).
 *
 * Processes of the sockets' own users come first, then the others (a program may have changed its user
 * since); within these the youngest first, or the oldest for sockets that programs share with their
 * workers. A scan goes on in pieces and is bounded in processes and wanted sockets.
 */
#ifndef SOCKETS_HOLDERS_H
#define SOCKETS_HOLDERS_H

#include "core/sense_plugin.h"

struct holder {
	uint32_t pid;
	uint64_t start_us; /* 0: not known */
};

typedef struct holders holders;

/* What is wanted at once, and processes that are looked at. */
enum { HOLDERS_WANTED_MAX = 4096, HOLDERS_PROCESSES_MAX = 32768 };

holders *holders_new(const struct sense_host *host); /* NULL: no memory */
void holders_free(holders *self);

/* False: there is no room for more. */
bool holders_want(holders *self, uint32_t inode, uint32_t uid);
bool holders_wanted(const holders *self);
/* Goes on until `until_us` (now_us). True: the scan is complete. */
bool holders_scan(holders *self, bool oldest_first, uint64_t until_us);
/* After a scan; false: nobody was seen to hold it. */
bool holders_find(const holders *self, uint32_t inode, struct holder *out);
void holders_forget(holders *self); /* all that was wanted */

uint64_t now_us(void); /* of a clock that goes on steadily */

#endif
