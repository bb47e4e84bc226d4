/*
 * The store of a spool: one LMDB file (https://www.lmdb.tech/doc/), and transactions on it. Internal to
 * core/spool; it knows sealed records and no findings.
 *
 *   q     sequence             -> severity u8 | sealed record
 *   sev   severity u8|sequence -> name of the record's id: what is dropped first comes first
 *   ids   name                 -> sequence, of all that are in q or in ring
 *   ring  sequence             -> name, of the latest that were acknowledged
 *   meta  "state"              -> struct sense_store_state with its version and the seal's check value
 *
 * Sequences are u64, big-endian, never used twice. Severity and size of a record, and the time in its name,
 * can be read without the key; nothing else can.
 *
 * LMDB never overwrites a page of the latest transaction: it writes new ones, syncs them (fdatasync), then
 * one of two root pages, synced too (O_DSYNC). Whenever power fails, one root leads to a whole tree, provided
 * that the disk writes a sector whole and keeps what it says it has. The map is read-only (no MDB_WRITEMAP),
 * so a full disk is an error of write and never a signal.
 *
 * No MDB lock file (MDB_NOLOCK): the place is locked, one thread uses the store, and no reader outlives a
 * call here; so there are no stale readers either.
 *
 * Functions return 0, an MDB_ code or an errno, for sense_store_text.
 */
#ifndef SENSE_SPOOL_STORE_H
#define SENSE_SPOOL_STORE_H

#include <lmdb.h>
#include <stdbool.h>
#include <stdint.h>

#include "core/spool/seal.h"

#define SENSE_STORE_FILE "spool.mdb"
#define SENSE_STORE_VERSION 1u
#define SENSE_STORE_SEVERITIES 5u
#define SENSE_STORE_RECORD_MAX (16384u + SENSE_SEAL_EXTRA + 1) /* a finding, sealed, with its severity */

/* All u64: the bytes of this struct are what is stored. */
struct sense_store_state {
	uint64_t next;     /* sequence of the next record */
	uint64_t findings; /* in q */
	uint64_t bytes;    /* of the values in q */
	uint64_t since;    /* microseconds since the epoch: the store was made */
	uint64_t dropped[SENSE_STORE_SEVERITIES];
	uint64_t known;
	uint64_t acknowledged;
	uint64_t undecodable;
	uint64_t set_aside; /* stores that lay there unreadable when this one was made */
};

enum {
	SENSE_STORE_Q,
	SENSE_STORE_SEV,
	SENSE_STORE_IDS,
	SENSE_STORE_RING,
	SENSE_STORE_META,
	SENSE_STORE_DBIS
};

struct sense_store {
	MDB_env *env; /* NULL: not open */
	MDB_dbi dbi[SENSE_STORE_DBIS];
	uint64_t map, map_max;
	uint64_t max_bytes;  /* of the values in q */
	uint64_t remembered; /* entries of ring */
	uint64_t allocated;  /* bytes of the file that the disk has set apart; UINT64_MAX: it cannot */
};

/* Which of them has this name; -1: none. */
int sense_store_dbi(const char *name, size_t len);

/* max_bytes and remembered are set; `path` is a store that exists. Reads state and check value. */
int sense_store_open(struct sense_store *store, const char *path, bool read_only,
                     struct sense_store_state *state, uint8_t check[SENSE_SEAL_NAME]);
void sense_store_close(struct sense_store *store);
/* Makes a store with this state, whole and synced, at a path where none is. */
int sense_store_make(const char *path, const struct sense_store_state *state,
                     const uint8_t check[SENSE_SEAL_NAME]);

const char *sense_store_text(int code);
/* The store is not what it should be, as opposed to a disk or a memory that is full. */
bool sense_store_damaged(int code);

/* ---- reading ---- */

bool sense_store_knows(const struct sense_store *store, const uint8_t name[SENSE_SEAL_NAME]);

/* The first record behind *sequence, copied to out (SENSE_STORE_RECORD_MAX bytes). MDB_NOTFOUND: none. */
int sense_store_next(const struct sense_store *store, uint64_t *sequence, uint8_t *out, size_t *len);

/* ---- writing: all of a change, or nothing ---- */

struct sense_store_change {
	struct sense_store *store;
	MDB_txn *txn;
	struct sense_store_state state; /* what the state will be */
};

struct sense_store_record {
	uint64_t sequence;
	uint8_t severity;
	uint8_t name[SENSE_SEAL_NAME];
	const uint8_t *sealed;
	size_t len;
};

int sense_store_begin(struct sense_store *store, const struct sense_store_state *state,
                      struct sense_store_change *change);
/*
 * At the begin of a change, whether there is room on the disk for so many bytes of records, and then still
 * some for removing: to take out what was acknowledged LMDB has to write pages, too, and a spool that could
 * not be emptied for the disk being full would stay full. ENOSPC: there is not; nothing should be added.
 */
int sense_store_room(struct sense_store_change *change, uint64_t bytes);
/*
 * Adds a record. While that would be more than max_bytes, the oldest of the lowest severity goes; and when
 * that severity is above the record's, the record itself. Each is counted as dropped.
 */
int sense_store_add(struct sense_store_change *change, const struct sense_store_record *record);
/* Acknowledges records up to this sequence, `most` at a time; *more: there are more of them. */
int sense_store_acknowledge(struct sense_store_change *change, uint64_t up_to, unsigned most, bool *more);
/* Removes a record that cannot be opened. One that is gone already is fine. */
int sense_store_condemn(struct sense_store_change *change, uint64_t sequence);
/* Drops until max_bytes is kept, `most` at a time. */
int sense_store_trim(struct sense_store_change *change, unsigned most, bool *more);
/* After a commit that returned 0 the change is on the disk. The change is over in any case. */
int sense_store_commit(struct sense_store_change *change);
void sense_store_abandon(struct sense_store_change *change);

/* After MDB_MAP_FULL: a larger map, as long as there is one to be had. */
bool sense_store_grow(struct sense_store *store);

#endif
