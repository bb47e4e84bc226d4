#include "ring.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "block.h"

enum { FOREIGN_TOLD_MAX = 8 };

/* ---- shapes of rings ------------------------------------------------------------------------- */

static struct {
	int fd;
	uint32_t blocks; /* 0: a free row */
} rings[RING_SOCKETS_MAX];

bool ring_note(int fd, uint32_t blocks)
{
	for (unsigned i = 0; i < RING_SOCKETS_MAX; i++)
		if (!rings[i].blocks) {
			rings[i].fd = fd;
			rings[i].blocks = blocks;
			return true;
		}
	return false;
}

void ring_forget(int fd)
{
	for (unsigned i = 0; i < RING_SOCKETS_MAX; i++)
		if (rings[i].blocks && rings[i].fd == fd)
			rings[i].blocks = 0;
}

static uint32_t blocks_of(int fd)
{
	for (unsigned i = 0; i < RING_SOCKETS_MAX; i++)
		if (rings[i].fd == fd)
			return rings[i].blocks;
	return 0;
}

/* ---- where to go on -------------------------------------------------------------------------- */

struct ring {
	const struct sense_host *host;
	char name[64]; /* for messages */
	int fd;
	uint8_t *base;
	uint32_t blocks;
	uint32_t now; /* the block in hand, or the one that comes next */
	bool in_hand;
	struct block block; /* while in_hand */
	uint64_t bytes;     /* given out */
	struct block_skips skips;
	uint64_t foreign_seen;
	uint16_t told[FOREIGN_TOLD_MAX];
	unsigned told_count;
};

static uint8_t *block_at(const struct ring *ring, uint32_t number)
{
	return ring->base + (size_t)number * BLOCK_BYTES;
}

/* Before `other`: what can be read goes before what the kernel still fills. */
static bool comes_before(const uint8_t *one, const uint8_t *other)
{
	bool ours = block_is_ours(one), others = block_is_ours(other);
	if (ours != others)
		return ours;
	return ours ? block_seq(one) < block_seq(other) : block_seq(one) > block_seq(other);
}

/*
 * The oldest block that is ours; if none is, the one with the highest number, which the kernel opened last.
 * While it is looked for the kernel goes on: those that it closed behind our back lie before what was found.
 */
static void find_place(struct ring *ring)
{
	uint32_t found = 0;
	for (uint32_t i = 0; i < ring->blocks; i++) {
		block_mend(block_at(ring, i));
		if (comes_before(block_at(ring, i), block_at(ring, found)))
			found = i;
	}
	for (uint32_t i = 0; i < ring->blocks; i++) {
		uint32_t before = (found + ring->blocks - 1) % ring->blocks;
		const uint8_t *at = block_at(ring, before);
		if (!block_is_ours(at) || block_seq(at) + 1 != block_seq(block_at(ring, found)))
			break;
		found = before;
	}
	ring->now = found;
}

static enum sense_status ring_open(const struct sense_host *host, const char *name, int fd, uint64_t resume,
                                   void **capture, sense_error *err)
{
	uint32_t blocks = blocks_of(fd);
	(void)resume; /* how far the ring was read is noted in it */
	if (host->size <= offsetof(struct sense_host, wait) || !host->wait)
		return host->fail(err, SENSE_E_VERSION, "packet", "%s: this host cannot wait for packets",
		                  name);
	if (!blocks)
		return host->fail(err, SENSE_E_UNSUPPORTED, "packet", "%s: is no socket of a live capture",
		                  name);
	struct ring *ring = calloc(1, sizeof *ring);
	if (!ring)
		return host->fail(err, SENSE_E_MEMORY, "packet", "%s: no memory to read it", name);
	size_t size = (size_t)blocks * BLOCK_BYTES;
	void *base = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
	if (base == MAP_FAILED) {
		free(ring);
		return host->fail(err, SENSE_E_IO, "packet", "%s: cannot map its ring of %zu bytes: %s", name,
		                  size, strerror(errno));
	}
	*ring = (struct ring){.host = host, .fd = fd, .base = base, .blocks = blocks};
	snprintf(ring->name, sizeof ring->name, "%s", name);
	find_place(ring);
	*capture = ring;
	return SENSE_OK;
}

static void ring_close(void *capture)
{
	struct ring *ring = capture;
	if (ring->in_hand && ring->block.given == ring->block.count)
		block_release(ring->block.base);
	munmap(ring->base, (size_t)ring->blocks * BLOCK_BYTES);
	close(ring->fd);
	free(ring);
}

/* ---- reading --------------------------------------------------------------------------------- */

/* Once for each kind, so that the log stays short whatever a device sends. */
static void tell_foreign(struct ring *ring)
{
	uint16_t type = ring->skips.foreign_type;
	ring->foreign_seen = ring->skips.foreign;
	for (unsigned i = 0; i < ring->told_count; i++)
		if (ring->told[i] == type)
			return;
	if (ring->told_count == FOREIGN_TOLD_MAX)
		return;
	ring->told[ring->told_count++] = type;
	ring->host->log(
	    SENSE_LOG_WARN, "packet",
	    "%s: frames of an interface whose link layer is neither Ethernet nor IP (ARPHRD %u) are "
	    "passed over",
	    ring->name, type);
}

/*
 * An error that waits at the socket makes it readable; to read is to take it away. ENETDOWN and the like tell
 * about one interface, and the others go on.
 */
static bool socket_lives(const struct ring *ring)
{
	uint8_t byte;
	ssize_t got = read(ring->fd, &byte, sizeof byte);
	return got >= 0 || (errno != EBADF && errno != ENOTSOCK && errno != EINVAL && errno != EFAULT);
}

/* The host wants no more: a capture that goes on for ever ends so, and in no other way. */
static bool is_ending(const struct sense_host *host)
{
	return host->size > offsetof(struct sense_host, ending) && host->ending && host->ending();
}

/* Nothing there: the host does other things until there is. */
static enum sense_status ring_wait(struct ring *ring, sense_error *err)
{
	ring->host->wait(ring->fd);
	if (block_is_ours(block_at(ring, ring->now)))
		return SENSE_OK;
	if (!socket_lives(ring))
		return ring->host->fail(err, SENSE_E_IO, "packet", "%s: the capture's socket failed: %s",
		                        ring->name, strerror(errno));
	/* Readable, and not here: the place was taken for another while the kernel moved on. */
	find_place(ring);
	return SENSE_OK;
}

static enum sense_status ring_read(void *capture, struct sense_packet *packets, unsigned max, unsigned *count,
                                   sense_error *err)
{
	struct ring *ring = capture;
	enum sense_status status = SENSE_OK;
	*count = 0;
	while (!status && !*count && max && !is_ending(ring->host)) {
		uint8_t *base = block_at(ring, ring->now);
		if (ring->in_hand && ring->block.given == ring->block.count) {
			block_release(base);
			ring->in_hand = false;
			ring->now = (ring->now + 1) % ring->blocks;
		} else if (ring->in_hand) {
			*count = block_take(&ring->block, packets, max, &ring->skips);
		} else if (block_is_ours(base)) {
			block_enter(&ring->block, base);
			ring->in_hand = true;
		} else {
			status = ring_wait(ring, err);
		}
	}
	for (unsigned i = 0; i < *count; i++)
		ring->bytes += packets[i].len;
	if (ring->skips.foreign != ring->foreign_seen)
		tell_foreign(ring);
	return status;
}

static struct sense_capture_progress ring_progress(const void *capture)
{
	return (struct sense_capture_progress){.done = ((const struct ring *)capture)->bytes};
}

static uint64_t ring_position(const void *capture)
{
	(void)capture;
	return 0;
}

const struct sense_capture_ops ring_ops = {
    .size = sizeof ring_ops,
    .open = ring_open,
    .read = ring_read,
    .progress = ring_progress,
    .position = ring_position,
    .close = ring_close,
};
