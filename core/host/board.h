/*
 * The board: what the sensor process knows of the processes behind network endpoints, for workers to read
 * while they work through packets. Also its gauges, for `status`.
 *
 * Shared memory with one writer, the sensor process. Readers are lock-free (each entry has a sequence
 * number that is odd while it is being written), bound by nothing that a writer could do, and take no
 * length from it without a check. A process has one record; endpoints point at it by place and number, and
 * an endpoint whose record has gone to another process since is not found.
 *
 * Bounded: 8,192 processes, 65,536 endpoints; the entry of its set that was written longest ago goes first.
 */
#ifndef SENSE_HOST_BOARD_H
#define SENSE_HOST_BOARD_H

#include <stdatomic.h>

#include "core/base/status.h"
#include "core/flow/flow.h"
#include "core/host/message.h"
#include "core/shared/views.h"

#define SENSE_BOARD_ACTORS 8192u
#define SENSE_BOARD_ENDPOINTS 65536u
#define SENSE_BOARD_ACTOR_BYTES 2040u
#define SENSE_BOARD_GAUGES 64u
#define SENSE_BOARD_GAUGE_NAME 40u
#define SENSE_BOARD_LOCALS 64u

/* One record of a process: a message (core/host/message.h) of its `process.*`, `user` and `tool`. */
struct sense_board_actor {
	_Atomic uint32_t sequence; /* odd: is being written; it grows with each change */
	uint32_t len;
	uint8_t data[SENSE_BOARD_ACTOR_BYTES];
};

/* One end of a connection, seen from this host. remote and remote_port zero: whoever it talks with. */
struct sense_endpoint {
	struct sense_addr local, remote; /* local zero: any address */
	uint16_t local_port, remote_port;
	uint8_t l4;
	uint8_t reserved[3];
};

struct sense_board_endpoint {
	_Atomic uint32_t sequence;
	uint32_t actor;  /* place in actors */
	uint32_t number; /* of the process that had it (sense_board_begin) */
	uint32_t age;    /* count of writes when this one was */
	struct sense_endpoint key;
};

struct sense_board_gauge {
	char name[SENSE_BOARD_GAUGE_NAME]; /* written before count grows */
	_Atomic uint64_t value;
};

struct sense_board_page {
	_Atomic uint32_t gauge_count;
	_Atomic uint64_t beat; /* grows as long as the sensor process gets on */
	_Atomic uint32_t locals_sequence;
	uint32_t local_count;
	struct sense_addr locals[SENSE_BOARD_LOCALS]; /* addresses of this host */
	struct sense_board_gauge gauges[SENSE_BOARD_GAUGES];
	_Alignas(64) _Atomic uint32_t number[SENSE_BOARD_ACTORS]; /* of the process in that place; 0: none */
	_Alignas(64) struct sense_board_endpoint endpoints[SENSE_BOARD_ENDPOINTS];
	struct sense_board_actor actors[SENSE_BOARD_ACTORS];
};

/* Each process has its own handle; what it points to is shared. */
struct sense_board {
	struct sense_views views; /* of a struct sense_board_page; workers cannot write */
	uint32_t writes;  /* of endpoints */
	uint32_t numbers; /* given out */
	uint32_t next;    /* place to be used next for a process */
};

enum sense_status sense_board_new(struct sense_board *board, sense_error *err);
void sense_board_free(struct sense_board *board);

/* ---- the writer ---- */

/* What a sensor process that died left there is void. */
void sense_board_clear(struct sense_board *board);
/* A place for a process, taken from the one that has it longest. */
struct sense_board_place {
	uint32_t actor, number;
};
struct sense_board_place sense_board_begin(struct sense_board *board);
/* False when the place is another's by now. */
bool sense_board_holds(const struct sense_board *board, const struct sense_board_place *place);
void sense_board_actor(struct sense_board *board, const struct sense_board_place *place,
                       const struct sense_host_message *message);
void sense_board_endpoint(struct sense_board *board, const struct sense_board_place *place,
                          const struct sense_endpoint *key);
/* Addresses of this host, beside those of the loopback; beyond SENSE_BOARD_LOCALS they are left out. */
void sense_board_locals(struct sense_board *board, const struct sense_addr *addrs, unsigned count);
/* Finds the name or takes it in; silently nothing when there are too many. */
void sense_board_gauge(struct sense_board *board, const char *name, uint64_t value);
void sense_board_beat(struct sense_board *board);

/* ---- readers ---- */

/* A worker's first act. */
void sense_board_inherit(struct sense_board *board);
static inline const struct sense_board_page *sense_board_page(const struct sense_board *board)
{
	return board->views.read;
}

bool sense_board_is_local(const struct sense_board *board, const struct sense_addr *addr);
/*
 * Which process has this endpoint: exactly; with `wide` also by its local end alone, which makes sense only
 * when that is of this host. False: not known.
 */
bool sense_board_find(const struct sense_board *board, const struct sense_endpoint *key, bool wide,
                      struct sense_board_place *out);
/*
 * Copies its record; *version tells one state of it from another. False: it has gone, or is being written
 * all the time.
 */
bool sense_board_read(const struct sense_board *board, const struct sense_board_place *place,
                      uint8_t data[SENSE_BOARD_ACTOR_BYTES], size_t *len, uint32_t *version);

#endif
