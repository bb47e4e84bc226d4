/*
 * Memory with two views, made before processes are forked: one that can be written, and one that can only be
 * read and, where the kernel seals it (Linux 5.1), never be made writable. A process that is not to write
 * gives the first one up; there is no way back.
 *
 * Pages that nothing is written to cost nothing.
 */
#ifndef SENSE_SHARED_VIEWS_H
#define SENSE_SHARED_VIEWS_H

#include "core/base/status.h"

struct sense_views {
	void *write; /* NULL: given up */
	const void *read;
	size_t size;
};

/* what: for the message. */
enum sense_status sense_views_new(struct sense_views *views, size_t size, const char *what, sense_error *err);
void sense_views_free(struct sense_views *views);
void sense_views_read_only(struct sense_views *views);

#endif
