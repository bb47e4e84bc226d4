#include "core/proc/mailbox.h"

#include <fcntl.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#ifndef F_SEAL_FUTURE_WRITE
#define F_SEAL_FUTURE_WRITE 0x0010
#endif

enum sense_status sense_mailbox_new(struct sense_mailbox *mailbox, sense_error *err)
{
	size_t size = sizeof(struct sense_letter) + SENSE_BUNDLE_MAX;
	void *post = MAP_FAILED, *read = MAP_FAILED;
	int fd = memfd_create("sense-policies", MFD_CLOEXEC | MFD_ALLOW_SEALING);
	/* Pages that nothing is written to cost nothing. */
	if (fd < 0 || ftruncate(fd, (off_t)size))
		goto fail;
	post = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_NORESERVE, fd, 0);
	if (post == MAP_FAILED)
		goto fail;
	/* An older kernel does not know this seal: then the view below is read-only by its protection alone. */
	(void)fcntl(fd, F_ADD_SEALS, F_SEAL_FUTURE_WRITE | F_SEAL_SHRINK | F_SEAL_GROW);
	read = mmap(NULL, size, PROT_READ, MAP_SHARED | MAP_NORESERVE, fd, 0);
	if (read == MAP_FAILED)
		goto fail;
	close(fd);
	*mailbox = (struct sense_mailbox){.post = post, .read = read, .mapped = size};
	return SENSE_OK;
fail:
	sense_fail_errno(err, "proc", "shared memory of %zu bytes for policies", size);
	if (post != MAP_FAILED)
		munmap(post, size);
	if (fd >= 0)
		close(fd);
	return SENSE_E_IO;
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
