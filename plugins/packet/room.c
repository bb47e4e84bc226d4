#include "room.h"

#include <errno.h>
#include <string.h>
#include <sys/epoll.h>
#include <time.h>
#include <unistd.h>

#include "block.h"
#include "socket.h"
#include "spread.h"

enum {
	SMALL_PART = 16,
	WORTH_IT = 4 * BLOCKS_LEAST, /* below this the room is one ring */
	BLOCKS_MOST = 65536,
	HOLD_MS = 100,  /* what the small ring must hold of what comes */
	STUCK_MS = 150, /* of packets that nobody reads; the small ring holds 320 at least of light traffic */
	CALM_MS = 20 * 1000,
	RETRY_MS = 60 * 1000
};

static uint64_t now_ms(void)
{
	struct timespec now;
	clock_gettime(CLOCK_MONOTONIC, &now);
	return (uint64_t)now.tv_sec * 1000 + (uint64_t)now.tv_nsec / 1000000;
}

static enum sense_status no_memory(const struct sense_host *host, sense_error *err)
{
	return host->fail(err, SENSE_E_MEMORY, "packet", "no memory to capture");
}

unsigned room_sockets(const struct room *room, int *fds)
{
	unsigned n = 0;
	for (unsigned ring = 0; ring < RINGS; ring++)
		for (unsigned i = 0; i < room->workers; i++)
			if (room->rows[i]->fds[ring] >= 0)
				fds[n++] = room->rows[i]->fds[ring];
	return n;
}

/* A worker can write there: what it must find is written again at each look. */
static void publish(struct room *room)
{
	for (unsigned i = 0; i < room->workers; i++) {
		struct share *share = room->rows[i]->share;
		atomic_store(&share->blocks[RING_SMALL], room->blocks[RING_SMALL]);
		atomic_store(&share->blocks[RING_LARGE], i < room->held ? room->blocks[RING_LARGE] : 0);
		atomic_store(&share->turn, room->turn);
	}
}

/* ---- begin and end --------------------------------------------------------------------------- */

static enum sense_status wake_make(const struct sense_host *host, struct share_row *row, sense_error *err)
{
	row->wake = epoll_create1(EPOLL_CLOEXEC);
	bool made = row->wake >= 0;
	for (unsigned ring = 0; made && ring < RINGS; ring++) {
		struct epoll_event event = {.events = EPOLLIN};
		made = !epoll_ctl(row->wake, EPOLL_CTL_ADD, row->fds[ring], &event);
	}
	return made
	         ? SENSE_OK
	         : host->fail(err, SENSE_E_IO, "packet", "cannot wait at two sockets: %s", strerror(errno));
}

static enum sense_status row_make(struct room *room, sense_error *err)
{
	struct share_row *row = share_new();
	uint32_t blocks = room->blocks[RING_SMALL];
	if (!row)
		return no_memory(room->host, err);
	room->rows[room->workers++] = row;
	enum sense_status status = packet_socket_new(room->host, &row->fds[RING_SMALL], err);
	if (!status)
		status = packet_socket_ring(room->host, row->fds[RING_SMALL], &blocks, err);
	if (!status && blocks < room->blocks[RING_SMALL]) {
		room->host->log(
		    SENSE_LOG_WARN, "packet", "memory is short: a ring has %u KiB, %u were wanted",
		    blocks * (BLOCK_BYTES / 1024), room->blocks[RING_SMALL] * (BLOCK_BYTES / 1024));
		room->blocks[RING_SMALL] = blocks;
	}
	row->wake = row->fds[RING_SMALL];
	if (status || !room->blocks[RING_LARGE])
		return status;
	status = packet_socket_new(room->host, &row->fds[RING_LARGE], err);
	return status ? status : wake_make(room->host, row, err);
}

static enum sense_status spread(const struct room *room, uint32_t first, sense_error *err)
{
	struct sock_filter code[SPREAD_MAX];
	unsigned count = spread_build(first, room->workers, code);
	return packet_socket_spread(room->host, room->rows[0]->fds[RING_SMALL], code, count, err);
}

enum sense_status room_begin(struct room *room, const struct sense_host *host, unsigned workers,
                             uint64_t bytes, sense_error *err)
{
	int fds[RINGS * SHARE_MAX];
	uint64_t each = bytes / workers / BLOCK_BYTES;
	uint32_t all = each < BLOCKS_LEAST ? BLOCKS_LEAST : each > BLOCKS_MOST ? BLOCKS_MOST : (uint32_t)each;
	*room = (struct room){.host = host, .blocks = {all, 0}};
	if (all >= WORTH_IT) {
		uint32_t small = all / SMALL_PART;
		room->blocks[RING_SMALL] = small < BLOCKS_LEAST ? BLOCKS_LEAST : small;
		room->blocks[RING_LARGE] = all - room->blocks[RING_SMALL];
	}
	enum sense_status status = SENSE_OK;
	while (!status && room->workers < workers)
		status = row_make(room, err);
	unsigned count = room_sockets(room, fds);
	if (!status && count > 1)
		status = packet_socket_group(host, fds, count, workers > 1, err);
	if (!status && count > 1)
		status = spread(room, 0, err);
	if (!status)
		publish(room);
	return status;
}

void room_end(struct room *room)
{
	for (unsigned i = 0; i < room->workers; i++) {
		struct share_row *row = room->rows[i];
		if (row->wake != row->fds[RING_SMALL])
			close(row->wake);
		for (unsigned ring = 0; ring < RINGS; ring++)
			if (row->fds[ring] >= 0)
				close(row->fds[ring]);
		share_free(row);
	}
	room->workers = 0;
}

/* ---- more, and less -------------------------------------------------------------------------- */

/* All have taken note of the latest turn, and read what was left before it. */
static bool all_arrived(const struct room *room)
{
	for (unsigned i = 0; i < room->workers; i++)
		if (atomic_load(&room->rows[i]->share->arrived) != room->turn)
			return false;
	return true;
}

/*
 * A socket that gets or loses its ring leaves the group for a moment and comes back as its last. So they are
 * handled in order, all of them, and none is used meanwhile.
 */
static bool rings_take(struct room *room)
{
	sense_error *unheard = NULL;
	for (; room->held < room->workers; room->held++) {
		uint32_t blocks = room->blocks[RING_LARGE];
		int fd = room->rows[room->held]->fds[RING_LARGE];
		if (packet_socket_ring(room->host, fd, &blocks, unheard))
			return false;
		if (blocks == room->blocks[RING_LARGE])
			continue;
		/* All have the same: the next look tries it with what there was room for. */
		packet_socket_unring(fd);
		room->blocks[RING_LARGE] = blocks;
		return false;
	}
	return true;
}

static void rings_give_back(struct room *room)
{
	unsigned given = 0;
	while (given < room->held && packet_socket_unring(room->rows[given]->fds[RING_LARGE]))
		given++;
	if (given == room->held)
		room->held = 0;
}

static void turn(struct room *room, uint64_t now)
{
	bool larger = !(room->turn & 1);
	if (spread(room, larger ? room->workers : 0, NULL)) {
		room->failed_ms = now;
		return;
	}
	room->turn++;
	room->calm_ms = now;
	room->host->log(SENSE_LOG_DEBUG, "packet", "packets go to the %s ring, %u KiB a worker",
	                larger ? "large" : "small",
	                room->blocks[larger ? RING_LARGE : RING_SMALL] * (BLOCK_BYTES / 1024));
}

static void enlarge(struct room *room, uint64_t now)
{
	if (room->failed_ms && now - room->failed_ms < RETRY_MS)
		return;
	room->failed_ms = 0;
	if (rings_take(room)) {
		turn(room, now);
		return;
	}
	room->failed_ms = now;
	room->host->log(SENSE_LOG_WARN, "packet",
	                "memory is short: no larger ring can be had now, packets may be dropped");
	rings_give_back(room);
}

/* ---- what is wanted -------------------------------------------------------------------------- */

/* Packets come, and none is read. */
static bool is_stuck(struct room *room, uint64_t frames, uint64_t received, uint64_t now)
{
	if (frames != room->frames)
		room->stuck_ms = 0;
	else if (received != room->received && !room->stuck_ms)
		room->stuck_ms = now;
	return room->stuck_ms && now - room->stuck_ms >= STUCK_MS;
}

static bool is_pressed(struct room *room, uint64_t received, uint64_t now)
{
	uint64_t bytes = 0, frames = 0, elapsed = now - room->looked_ms;
	bool pressed = false;
	for (unsigned i = 0; i < room->workers; i++) {
		struct share *share = room->rows[i]->share;
		pressed |= atomic_exchange(&share->pressed, 0) != 0;
		bytes += atomic_load(&share->bytes);
		frames += atomic_load(&share->frames);
	}
	uint64_t room_bytes = (uint64_t)room->workers * room->blocks[RING_SMALL] * BLOCK_BYTES;
	pressed |=
	    room->looked_ms && bytes > room->bytes && (bytes - room->bytes) * HOLD_MS > room_bytes * elapsed;
	pressed |= is_stuck(room, frames, received, now);
	room->bytes = bytes;
	room->frames = frames;
	room->received = received;
	room->looked_ms = now;
	return pressed;
}

void room_look(struct room *room, uint64_t received)
{
	if (!room->blocks[RING_LARGE])
		return;
	uint64_t now = now_ms();
	bool large = room->turn & 1, pressed = is_pressed(room, received, now);
	if (pressed)
		room->calm_ms = now;
	bool settled = all_arrived(room);
	if (!large && settled && room->held)
		rings_give_back(room);
	if (!large && settled && !room->held && pressed)
		enlarge(room, now);
	else if (large && settled && now - room->calm_ms >= CALM_MS)
		turn(room, now);
	publish(room);
}
