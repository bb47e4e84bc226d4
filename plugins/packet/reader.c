#include "reader.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "ring.h"
#include "share.h"

enum { FOREIGN_TOLD_MAX = 8 };

struct reader {
	const struct sense_host *host;
	char name[64]; /* for messages */
	struct share *share;
	int fds[RINGS], wake;
	struct ring rings[RINGS];
	uint32_t turn;  /* that of the share which this reader knows */
	bool moving;    /* something may be left in the ring before */
	uint64_t bytes; /* given out */
	struct block_counts counts;
	uint64_t foreign_seen;
	uint16_t told[FOREIGN_TOLD_MAX];
	unsigned told_count;
};

static uint32_t load(const _Atomic uint32_t *from)
{
	return atomic_load_explicit(from, memory_order_acquire);
}

/* ---- which ring ------------------------------------------------------------------------------ */

static enum share_ring ring_now(const struct reader *reader)
{
	return reader->turn & 1 ? RING_LARGE : RING_SMALL;
}

static enum share_ring ring_before(const struct reader *reader)
{
	return reader->turn & 1 ? RING_SMALL : RING_LARGE;
}

static enum sense_status map(struct reader *reader, enum share_ring which, sense_error *err)
{
	uint32_t blocks = load(&reader->share->blocks[which]);
	if (reader->rings[which].base)
		return SENSE_OK;
	if (!blocks || reader->fds[which] < 0)
		return reader->host->fail(err, SENSE_E_IO, "packet", "%s: there is no ring to read",
		                          reader->name);
	if (ring_map(&reader->rings[which], reader->fds[which], blocks))
		return SENSE_OK;
	return reader->host->fail(err, SENSE_E_IO, "packet", "%s: cannot map its ring of %u KiB: %s",
	                          reader->name, blocks * (BLOCK_BYTES / 1024), strerror(errno));
}

/* Packets go elsewhere from now on: what is left where they went before comes first. */
static enum sense_status turn_look(struct reader *reader, sense_error *err)
{
	uint32_t turn = load(&reader->share->turn);
	if (turn == reader->turn)
		return SENSE_OK;
	reader->turn = turn;
	reader->moving = load(&reader->share->arrived) != turn;
	enum sense_status status = map(reader, ring_now(reader), err);
	/* The large one is gone when nothing was left in it. */
	if (!status && reader->moving && load(&reader->share->blocks[ring_before(reader)]))
		status = map(reader, ring_before(reader), err);
	return status;
}

static void arrive(struct reader *reader)
{
	reader->moving = false;
	if (ring_before(reader) == RING_LARGE)
		ring_unmap(&reader->rings[RING_LARGE]);
	atomic_store_explicit(&reader->share->arrived, reader->turn, memory_order_release);
}

/* ---- open and close -------------------------------------------------------------------------- */

static enum sense_status reader_open(const struct sense_host *host, const char *name, int fd, uint64_t resume,
                                     void **capture, sense_error *err)
{
	const struct share_row *row = share_find(fd);
	(void)resume; /* how far a ring was read is noted in it */
	if (host->size <= offsetof(struct sense_host, wait) || !host->wait)
		return host->fail(err, SENSE_E_VERSION, "packet", "%s: this host cannot wait for packets",
		                  name);
	if (!row)
		return host->fail(err, SENSE_E_UNSUPPORTED, "packet", "%s: is no socket of a live capture",
		                  name);
	struct reader *reader = calloc(1, sizeof *reader);
	if (!reader)
		return host->fail(err, SENSE_E_MEMORY, "packet", "%s: no memory to read it", name);
	*reader = (struct reader){.host = host,
	                          .share = row->share,
	                          .fds = {row->fds[RING_SMALL], row->fds[RING_LARGE]},
	                          .wake = row->wake,
	                          .counts = {.share = row->share}};
	reader->turn = load(&row->share->turn) - 1; /* another one */
	snprintf(reader->name, sizeof reader->name, "%s", name);
	enum sense_status status = map(reader, RING_SMALL, err);
	if (!status)
		status = turn_look(reader, err);
	if (status) {
		ring_unmap(&reader->rings[RING_SMALL]);
		free(reader);
		return status;
	}
	*capture = reader;
	return SENSE_OK;
}

static void reader_close(void *capture)
{
	struct reader *reader = capture;
	for (unsigned i = 0; i < RINGS; i++) {
		ring_unmap(&reader->rings[i]);
		if (reader->fds[i] >= 0)
			close(reader->fds[i]);
	}
	if (reader->wake >= 0 && reader->wake != reader->fds[RING_SMALL])
		close(reader->wake);
	free(reader);
}

/* ---- reading --------------------------------------------------------------------------------- */

/* Once for each kind, so that the log stays short whatever a device sends. */
static void tell_foreign(struct reader *reader)
{
	uint16_t type = reader->counts.foreign_type;
	reader->foreign_seen = reader->counts.foreign;
	for (unsigned i = 0; i < reader->told_count; i++)
		if (reader->told[i] == type)
			return;
	if (reader->told_count == FOREIGN_TOLD_MAX)
		return;
	reader->told[reader->told_count++] = type;
	reader->host->log(
	    SENSE_LOG_WARN, "packet",
	    "%s: frames of an interface whose link layer is neither Ethernet nor IP (ARPHRD %u) are "
	    "passed over",
	    reader->name, type);
}

/*
 * An error that waits at a socket makes it readable; to read is to take it away. ENETDOWN and the like tell
 * about one interface, and the others go on.
 */
static bool socket_lives(int fd)
{
	uint8_t byte;
	ssize_t got = fd < 0 ? 0 : read(fd, &byte, sizeof byte);
	return got >= 0 || (errno != EBADF && errno != ENOTSOCK && errno != EINVAL && errno != EFAULT);
}

/* The host wants no more: a capture that goes on for ever ends so, and in no other way. */
static bool is_ending(const struct sense_host *host)
{
	return host->size > offsetof(struct sense_host, ending) && host->ending && host->ending();
}

/* What is left before, then what there is now. Once moved, strays of a frame too short to be spread. */
static unsigned take(struct reader *reader, struct sense_packet *packets, unsigned max)
{
	enum share_ring now = ring_now(reader), before = ring_before(reader);
	struct ring *first = &reader->rings[reader->moving ? before : now];
	struct ring *second = &reader->rings[reader->moving ? now : before];
	unsigned n = first->base ? ring_take(first, packets, max, &reader->counts) : 0;
	if (n && first->base && ring_is_pressed(first))
		atomic_store_explicit(&reader->share->pressed, 1, memory_order_relaxed);
	if (n || (reader->moving && first->base && !ring_is_empty(first)))
		return n;
	if (reader->moving)
		arrive(reader);
	return second->base ? ring_take(second, packets, max, &reader->counts) : 0;
}

/* Nothing there: the host does other things until there is. */
static enum sense_status reader_wait(struct reader *reader, sense_error *err)
{
	/* The new ring is readable all the time while the last block of the old one is not closed yet. */
	reader->host->wait(reader->moving ? reader->fds[ring_before(reader)] : reader->wake);
	if (ring_is_ready(&reader->rings[RING_SMALL]) || ring_is_ready(&reader->rings[RING_LARGE]))
		return SENSE_OK;
	if (!socket_lives(reader->fds[RING_SMALL]) || !socket_lives(reader->fds[RING_LARGE]))
		return reader->host->fail(err, SENSE_E_IO, "packet", "%s: the capture's socket failed: %s",
		                          reader->name, strerror(errno));
	/* Readable, and not here: the place was taken for another while the kernel moved on. */
	for (unsigned i = 0; i < RINGS; i++)
		ring_find_place(&reader->rings[i]);
	return SENSE_OK;
}

static void account(struct reader *reader, const struct sense_packet *packets, unsigned count)
{
	uint64_t bytes = 0;
	for (unsigned i = 0; i < count; i++)
		bytes += packets[i].len;
	reader->bytes += bytes;
	share_add(&reader->share->bytes, bytes);
	if (reader->counts.foreign != reader->foreign_seen)
		tell_foreign(reader);
}

static enum sense_status reader_read(void *capture, struct sense_packet *packets, unsigned max,
                                     unsigned *count, sense_error *err)
{
	struct reader *reader = capture;
	enum sense_status status = SENSE_OK;
	*count = 0;
	while (!status && !*count && max && !is_ending(reader->host)) {
		status = turn_look(reader, err);
		if (!status)
			*count = take(reader, packets, max);
		if (!status && !*count)
			status = reader_wait(reader, err);
	}
	account(reader, packets, *count);
	return status;
}

static struct sense_capture_progress reader_progress(const void *capture)
{
	return (struct sense_capture_progress){.done = ((const struct reader *)capture)->bytes};
}

static uint64_t reader_position(const void *capture)
{
	(void)capture;
	return 0;
}

const struct sense_capture_ops reader_ops = {
    .size = sizeof reader_ops,
    .open = reader_open,
    .read = reader_read,
    .progress = reader_progress,
    .position = reader_position,
    .close = reader_close,
};
