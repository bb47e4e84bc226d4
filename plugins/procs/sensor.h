/* What the parts of the process sensor share. */
#ifndef PROCS_SENSOR_H
#define PROCS_SENSOR_H

#include <dirent.h>

#include "connector.h"
#include "digest.h"
#include "look.h"
#include "perf.h"
#include "table.h"

enum {
	PENDING_MAX = 8192,
	PENDING_MS = 50,    /* what did not execute anything by then goes on as what it is */
	AGAIN_MAX = 4,      /* how often a process is told again for a new name or user */
	PIECE_US = 3000,    /* of a sweep */
	POLL_MS = 1000,     /* between two looks through /proc without the connector */
	RESYNC_MS = 600000, /* and with it */
	INVENTORY_MS = 60000,
	REST_MS = 1000,    /* at most until the next sweep: forks wait for it */
	GAP_MS = 10000,    /* between two reports of the same kind */
	SEEN_MAX = 4096,   /* packages told */
	PACKAGES_MAX = 256 /* names of the catalogue, of each language */
};

enum phase {
	PHASE_REST,
	PHASE_SCAN,
	PHASE_EXPIRE,
	PHASE_INVENTORY,
	PHASE_DIGEST,
	PHASE_RETELL,
	PHASE_REFILL
};

struct pending {
	uint32_t pid;
	uint64_t due_ms;
};

/* Names of packages by the catalogue, in one text. */
struct package_names {
	char *names[PACKAGES_MAX];
	unsigned count;
};

struct counts {
	uint64_t events, lost, vanished, refused, unhashed, dropped;
};

struct sensor {
	const struct sense_host *host;
	bool once;
	int connector; /* -1: /proc is polled */
	int proc;
	struct perf *perf; /* NULL: what vanishes at once leaves no path */
	struct table table;
	struct users users;
	struct look look;
	struct digests *digests; /* NULL: no hashes are wanted */
	struct counts counts;

	struct pending pending[PENDING_MAX];
	unsigned pending_first, pending_count;

	enum phase phase;
	DIR *scan;       /* of /proc; NULL: none is going on */
	bool first_scan; /* what it finds was there before */
	bool resync;     /* something was lost: look through all */
	bool loss_untold;
	uint8_t round;
	uint32_t cursor; /* slot of the table, for what goes over all processes */
	uint32_t hashed; /* short form of the file whose processes are told again */
	uint64_t scan_began_ms, scan_due_ms, inventory_due_ms, gap_ms;
	bool refused_told;
	bool undigested; /* there was no room in the line of files to be hashed */

	struct package_names python, javascript;
	uint64_t
	    seen[SEEN_MAX]; /* hashes of (executable, package), by themselves; a later one takes its place */
	bool gpus;
	char maps[64 << 10];
};

uint64_t now_ms(void);
uint64_t now_us(void);
void gap_tell(struct sensor *sensor, const char *where, const char *why);

/* watch.c: what the connector tells, and what becomes of a process. */
void watch_take(struct sensor *sensor, const struct change *change);
/*
 * Takes what the connector has, until the deadline. Whatever takes longer than a look at one process calls
 * this in between: a program that lives for a millisecond is looked at while it lives, or never. The table
 * may move.
 */
void watch_drain(struct sensor *sensor, uint64_t deadline_us);
/* Those whose delay is over; until the deadline. */
void watch_pending(struct sensor *sensor, uint64_t deadline_us);
/* Looks at the process and tells it. False: it is gone. */
bool watch_tell(struct sensor *sensor, struct known *known, bool now);
/* Asks for its executable's hash again, and tells it should it be known by now. */
void watch_digest(struct sensor *sensor, struct known *known);
uint32_t watch_name_hash(const char *name);
void watch_ended(struct sensor *sensor, struct known *known, uint64_t ts_us, int code);

/* scan.c: sweeps. */
enum sense_status scan_sweep(struct sensor *sensor, uint32_t *wait_ms);

/* inventory.c: GPUs held and packages in use. */
enum sense_status inventory_load(struct sensor *sensor, sense_error *err);
void inventory_free(struct sensor *sensor);
/* Before going over all processes. */
void inventory_begin(struct sensor *sensor);
void inventory_of(struct sensor *sensor, struct known *known);

#endif
