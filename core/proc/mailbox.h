/*
 * What the supervisor hands to a worker that is at work: a bundle to load (core/proc/bundle.h).
 *
 * Memory with two views: the supervisor's, which a worker gives up before all else, and one that a worker can
 * only read and, where the kernel seals it (Linux 5.1), cannot make writable. So a worker gone wrong
 * changes nothing here, and what it loads at its start comes from the supervisor's own copy.
 */
#ifndef SENSE_PROC_MAILBOX_H
#define SENSE_PROC_MAILBOX_H

#include <stdatomic.h>
#include <stdint.h>

#include "core/proc/bundle.h"

struct sense_letter {
	_Atomic uint64_t ticket; /* of the bundle that is to be loaded; 0: none is */
	uint64_t len;
	uint8_t block[];
};

struct sense_mailbox {
	struct sense_letter *post;       /* the supervisor's; not there in a worker */
	const struct sense_letter *read; /* anybody's */
	size_t mapped;
};

enum sense_status sense_mailbox_new(struct sense_mailbox *mailbox, sense_error *err);
void sense_mailbox_free(struct sense_mailbox *mailbox);
/* A worker's first act: there is no way back to writing. */
void sense_mailbox_inherit(struct sense_mailbox *mailbox);

/* The block must not be changed before the worker has answered, or has ended. */
void sense_mailbox_post(struct sense_mailbox *mailbox, uint64_t ticket, const struct sense_bundle *bundle);
void sense_mailbox_clear(struct sense_mailbox *mailbox);

/* The ticket of what lies there; 0: nothing. Cheap enough for each batch. */
static inline uint64_t sense_mailbox_ticket(const struct sense_mailbox *mailbox)
{
	return atomic_load_explicit(&mailbox->read->ticket, memory_order_acquire);
}

#endif
