/*
 * What the supervisor hands to a worker that is at work: a bundle to load (core/shared/bundle.h).
 *
 * Memory with two views (core/shared/views.h): a worker gives up the one to write before all else. So a worker
 * gone wrong changes nothing here, and what it loads at its start comes from the supervisor's own copy.
 */
#ifndef SENSE_SHARED_MAILBOX_H
#define SENSE_SHARED_MAILBOX_H

#include <stdatomic.h>
#include <stdint.h>

#include "core/shared/bundle.h"
#include "core/shared/views.h"

struct sense_letter {
	_Atomic uint64_t ticket; /* of the bundle that is to be loaded; 0: none is */
	uint64_t len;
	uint8_t block[];
};

struct sense_mailbox {
	struct sense_views views; /* of a struct sense_letter */
};

enum sense_status sense_mailbox_new(struct sense_mailbox *mailbox, sense_error *err);
void sense_mailbox_free(struct sense_mailbox *mailbox);
/* A worker's first act: there is no way back to writing. */
void sense_mailbox_inherit(struct sense_mailbox *mailbox);

/* The block must not be changed before the worker has answered, or has ended. */
void sense_mailbox_post(struct sense_mailbox *mailbox, uint64_t ticket, const struct sense_bundle *bundle);
void sense_mailbox_clear(struct sense_mailbox *mailbox);

static inline const struct sense_letter *sense_mailbox_letter(const struct sense_mailbox *mailbox)
{
	return mailbox->views.read;
}

/* The ticket of what lies there; 0: nothing. Cheap enough for each batch. */
static inline uint64_t sense_mailbox_ticket(const struct sense_mailbox *mailbox)
{
	return atomic_load_explicit(&sense_mailbox_letter(mailbox)->ticket, memory_order_acquire);
}

#endif
