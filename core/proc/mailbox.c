#include "core/proc/mailbox.h"

#include <string.h>
#include <sys/mman.h>

#include "core/platform/platform.h"

enum sense_status sense_mailbox_new(struct sense_mailbox *mailbox, sense_error *err)
{
	void *post;
	const void *read;
	size_t size = sizeof(struct sense_letter) + SENSE_BUNDLE_MAX;
	if (!sense_platform_views(size, &post, &read)) {
		sense_fail_errno(err, "proc", "shared memory of %zu bytes for policies", size);
		return SENSE_E_IO;
	}
	*mailbox = (struct sense_mailbox){.post = post, .read = read, .mapped = size};
	return SENSE_OK;
}

void sense_mailbox_free(struct sense_mailbox *mailbox)
{
	if (mailbox->post)
		munmap(mailbox->post, mailbox->mapped);
	if (mailbox->read)
		munmap((void *)(uintptr_t)mailbox->read, mailbox->mapped);
	*mailbox = (struct sense_mailbox){0};
}

void sense_mailbox_inherit(struct sense_mailbox *mailbox)
{
	if (mailbox->post)
		munmap(mailbox->post, mailbox->mapped);
	mailbox->post = NULL;
}

void sense_mailbox_post(struct sense_mailbox *mailbox, uint64_t ticket, const struct sense_bundle *bundle)
{
	struct sense_letter *letter = mailbox->post;
	memcpy(letter->block, bundle->block.data, bundle->block.len);
	letter->len = bundle->block.len;
	atomic_store_explicit(&letter->ticket, ticket, memory_order_release);
}

void sense_mailbox_clear(struct sense_mailbox *mailbox)
{
	atomic_store_explicit(&mailbox->post->ticket, 0, memory_order_relaxed);
}
