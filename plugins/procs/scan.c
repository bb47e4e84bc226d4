/*
 * Sweeps: a look through /proc, what has ended unseen, GPUs and packages, hashes. Each goes on in pieces of
 * PIECE_US; forks that wait come first in each.
 */
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "sensor.h"

/* ---- through /proc --------------------------------------------------------------------------------- */

static uint32_t pid_of(const char *name)
{
	char *end;
	unsigned long pid = *name >= '1' && *name <= '9' ? strtoul(name, &end, 10) : 0;
	return pid && !*end && pid <= UINT32_MAX ? (uint32_t)pid : 0;
}

/* What is there and was not, or is another one now. */
static void scan_process(struct sensor *sensor, uint32_t pid)
{
	struct known *known = table_find(&sensor->table, pid);
	struct procfs_stat stat;
	if (known)
		known->round = sensor->round;
	if (known && known->flags & KNOWN_FORKED)
		return;
	if (known) {
		uint32_t name = known->name;
		if (!look_stat(sensor->proc, pid, &stat))
			return;
		bool other = known->start && known->start != stat.start;
		if (other)
			watch_ended(sensor, known, look_time(stat.start), -1);
		else if (sensor->connector >= 0 || known->flags & KNOWN_KERNEL ||
		         name == watch_name_hash(stat.name))
			return;
		if (!other) { /* without the connector a new name is how an executed program is noticed */
			watch_tell(sensor, known, true);
			return;
		}
	}
	known = table_put(&sensor->table, pid);
	if (!known) {
		sensor->counts.dropped++;
		return;
	}
	known->round = sensor->round;
	if (!watch_tell(sensor, known, !sensor->first_scan))
		table_remove(&sensor->table, known);
}

static void scan_begin(struct sensor *sensor)
{
	int dir = openat(sensor->proc, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	sensor->resync = false;
	sensor->scan = dir >= 0 ? fdopendir(dir) : NULL;
	sensor->round++;
	sensor->scan_began_ms = now_ms();
	sensor->phase = sensor->scan ? PHASE_SCAN : PHASE_REST;
	if (sensor->scan)
		return;
	if (dir >= 0)
		close(dir);
	gap_tell(sensor, "/proc", "cannot be read");
	sensor->scan_due_ms = now_ms() + RESYNC_MS;
}

static void scan_piece(struct sensor *sensor, uint64_t deadline)
{
	while (now_us() < deadline) {
		struct dirent *entry = readdir(sensor->scan);
		uint32_t pid = entry ? pid_of(entry->d_name) : 0;
		if (pid)
			scan_process(sensor, pid);
		watch_drain(sensor, deadline);
		if (entry)
			continue;
		closedir(sensor->scan);
		sensor->scan = NULL;
		sensor->cursor = 0;
		sensor->phase = PHASE_EXPIRE;
		return;
	}
}

static bool is_there(const struct sensor *sensor, uint32_t pid)
{
	char name[16];
	snprintf(name, sizeof name, "%u", pid);
	return !faccessat(sensor->proc, name, F_OK, 0);
}

static void scan_end(struct sensor *sensor)
{
	uint64_t took = now_ms() - sensor->scan_began_ms;
	uint64_t wait = sensor->connector >= 0 ? RESYNC_MS : POLL_MS;
	sensor->phase = PHASE_REST;
	sensor->first_scan = false;
	sensor->scan_due_ms = UINT64_MAX;
	if (sensor->once)
		return;
	/* On a host with so many processes that it takes long it is made more seldom. */
	sensor->scan_due_ms = now_ms() + (wait > took * 10 ? wait : took * 10);
}

/* Those that the look did not find have ended, and nobody told. False: the slot holds another now. */
static bool expire_slot(struct sensor *sensor, struct known *known)
{
	if (known->round == sensor->round || is_there(sensor, known->pid))
		return true;
	watch_ended(sensor, known, look_time_monotonic(now_us() * 1000), -1);
	return false; /* what has taken its place has not been looked at */
}

/* ---- over all that are known ------------------------------------------------------------------------ */

static bool inventory_slot(struct sensor *sensor, struct known *known)
{
	if (known->flags & KNOWN_TOLD)
		inventory_of(sensor, known);
	return true;
}

/* The processes of a file whose hash is known now. */
static bool retell_slot(struct sensor *sensor, struct known *known)
{
	if (known->flags & KNOWN_UNHASHED && known->file == sensor->hashed)
		watch_tell(sensor, known, false);
	return true;
}

/* Files for which there was no room in the line. */
static bool refill_slot(struct sensor *sensor, struct known *known)
{
	if (known->flags & KNOWN_UNHASHED && !sensor->undigested)
		watch_digest(sensor, known);
	return true;
}

/* From slot to slot until the deadline. True: that was the last one. */
static bool table_walk(struct sensor *sensor, bool (*visit)(struct sensor *, struct known *),
                       uint64_t deadline)
{
	while (sensor->cursor <= sensor->table.mask && now_us() < deadline) {
		uint32_t mask = sensor->table.mask;
		struct known *known = &sensor->table.slots[sensor->cursor];
		if (!known->pid) {
			sensor->cursor++;
			continue;
		}
		sensor->cursor += visit(sensor, known);
		watch_drain(sensor, deadline);
		if (sensor->table.mask != mask) /* it has grown, and all are elsewhere */
			sensor->cursor = 0;
	}
	return sensor->cursor > sensor->table.mask;
}

static void walk_piece(struct sensor *sensor, uint64_t deadline)
{
	static bool (*const visits[])(struct sensor *, struct known *) = {
	    [PHASE_EXPIRE] = expire_slot,
	    [PHASE_INVENTORY] = inventory_slot,
	    [PHASE_RETELL] = retell_slot,
	    [PHASE_REFILL] = refill_slot,
	};
	enum phase phase = sensor->phase;
	if (!table_walk(sensor, visits[phase], deadline))
		return;
	sensor->phase = PHASE_REST;
	if (phase == PHASE_EXPIRE)
		scan_end(sensor);
	else if (phase == PHASE_INVENTORY)
		sensor->inventory_due_ms = sensor->once ? UINT64_MAX : now_ms() + INVENTORY_MS;
}

/* Pieces of files until the deadline, or until one is done. */
static void digest_piece(struct sensor *sensor, uint64_t deadline)
{
	bool known = false;
	while (!known && digests_busy(sensor->digests) && now_us() < deadline) {
		known = digests_step(sensor->digests, &sensor->hashed);
		watch_drain(sensor, deadline);
	}
	sensor->cursor = 0;
	sensor->phase = known ? PHASE_RETELL : PHASE_REST;
}

/* ---- one after the other ----------------------------------------------------------------------------- */

/* What is due goes first; hashes fill the time between. */
static bool next_phase(struct sensor *sensor)
{
	uint64_t now = now_ms();
	if (sensor->resync || now >= sensor->scan_due_ms) {
		scan_begin(sensor);
	} else if (now >= sensor->inventory_due_ms) {
		sensor->cursor = 0;
		sensor->phase = PHASE_INVENTORY;
		inventory_begin(sensor);
	} else if (sensor->digests && digests_busy(sensor->digests)) {
		sensor->phase = PHASE_DIGEST;
	} else if (sensor->undigested) {
		sensor->undigested = false;
		sensor->cursor = 0;
		sensor->phase = PHASE_REFILL;
	}
	return sensor->phase != PHASE_REST;
}

static void gauges_set(struct sensor *sensor)
{
	const struct sense_host *host = sensor->host;
	host->gauge("procs.known", sensor->table.count);
	host->gauge("procs.events", sensor->counts.events);
	host->gauge("procs.polled", sensor->connector < 0);
	host->gauge("procs.recorded", sensor->perf != NULL);
	host->gauge("procs.overruns", sensor->counts.lost);
	host->gauge("procs.vanished", sensor->counts.vanished);
	host->gauge("procs.refused", sensor->counts.refused);
	host->gauge("procs.dropped", sensor->counts.dropped);
	host->gauge("procs.hashed", sensor->digests ? digests_done(sensor->digests) : 0);
	host->gauge("procs.unhashed", sensor->counts.unhashed);
}

static void loss_tell(struct sensor *sensor)
{
	if (!sensor->loss_untold || now_ms() < sensor->gap_ms)
		return;
	sensor->loss_untold = false;
	sensor->gap_ms = now_ms() + GAP_MS;
	gap_tell(sensor, "process connector", "more happened at once than the socket's buffer holds");
}

static uint64_t least(uint64_t a, uint64_t b)
{
	return a < b ? a : b;
}

static uint32_t rest_ms(const struct sensor *sensor)
{
	uint64_t now = now_ms(), due = least(sensor->scan_due_ms, sensor->inventory_due_ms);
	if (sensor->pending_count)
		due = least(due, sensor->pending[sensor->pending_first].due_ms);
	uint64_t wait = due > now ? due - now : 1;
	return (uint32_t)least(wait, REST_MS);
}

enum sense_status scan_sweep(struct sensor *sensor, uint32_t *wait_ms)
{
	uint64_t deadline = now_us() + PIECE_US;
	*wait_ms = 0;
	watch_drain(sensor, deadline);
	watch_pending(sensor, deadline);
	loss_tell(sensor);
	if (sensor->phase == PHASE_REST && !next_phase(sensor)) {
		gauges_set(sensor);
		*wait_ms = sensor->once ? RESYNC_MS : rest_ms(sensor);
		return SENSE_OK;
	}
	switch (sensor->phase) {
	case PHASE_SCAN:
		scan_piece(sensor, deadline);
		break;
	case PHASE_DIGEST:
		digest_piece(sensor, deadline);
		break;
	case PHASE_EXPIRE:
	case PHASE_INVENTORY:
	case PHASE_RETELL:
	case PHASE_REFILL:
		walk_piece(sensor, deadline);
		break;
	case PHASE_REST:
		break;
	}
	return SENSE_OK;
}
