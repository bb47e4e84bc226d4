/*
 * What came at each interface, and what was dropped of it. The kernel counts drops by socket, and one socket
 * hears all interfaces. So each has another socket that counts what passes the same filter there, and readers
 * count what they read of it; the difference was dropped, or waits in a ring still. While packets wait, the
 * drops that the kernel counted are shared out by those differences; once all are read they are exact.
 */
#ifndef PACKET_TALLY_H
#define PACKET_TALLY_H

#include <linux/filter.h>

#include "share.h"

struct tally_entry {
	char name[32];
	unsigned index; /* 0: this place is free */
	int fd;
	uint64_t offered, read_before;
	uint64_t dropped;
};

struct tally {
	const struct sense_host *host;
	struct tally_entry entries[SHARE_INTERFACES_MAX]; /* numbered as in the share */
	uint64_t gone; /* drops of those that are not there any more, or were never counted */
};

struct tally_interface {
	const char *name;
	unsigned index;
};

void tally_init(struct tally *tally, const struct sense_host *host);
void tally_fini(struct tally *tally);
/* The filter by which is counted from now on. */
struct tally_filter {
	struct sock_filter *code;
	unsigned length;
	bool is_new; /* another one than at the call before */
};

/* Counts at these from now on, SHARE_INTERFACES_MAX of them at most. rows: of the workers' shares. */
void tally_set(struct tally *tally, const struct tally_interface *want, unsigned want_count,
               struct share_row *const *rows, unsigned workers, const struct tally_filter *filter);
/* dropped: by all sockets of the capture since it began. */
void tally_look(struct tally *tally, struct share_row *const *rows, unsigned workers, uint64_t dropped);
/* NULL: it is not counted. */
const struct tally_entry *tally_find(const struct tally *tally, const char *name);

#endif
