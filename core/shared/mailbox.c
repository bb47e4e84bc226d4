#include "core/shared/mailbox.h"

#include <string.h>

enum sense_status sense_mailbox_new(struct sense_mailbox *mailbox, sense_error *err)
{
	return sense_views_new(&mailbox->views, sizeof(struct sense_letter) + SENSE_BUNDLE_MAX, "policies",
	                       err);
}

void sense_mailbox_free(struct sense_mailbox *mailbox)
{
	sense_views_free(&mailbox->views);
}

void sense_mailbox_inherit(struct sense_mailbox *mailbox)
{
	sense_views_read_only(&mailbox->views);
}

void sense_mailbox_post(struct sense_mailbox *mailbox, uint64_t ticket, const struct sense_bundle *bundle)
{
	struct sense_letter *letter = mailbox->views.write;
	memcpy(letter->block, bundle->block.data, bundle->block.len);
	letter->len = bundle->block.len;
	atomic_store_explicit(&letter->ticket, ticket, memory_order_release);
}

void sense_mailbox_clear(struct sense_mailbox *mailbox)
{
	struct sense_letter *letter = mailbox->views.write;
	atomic_store_explicit(&letter->ticket, 0, memory_order_relaxed);
}
