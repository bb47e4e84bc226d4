/* The life of processes: what the connector says of them, and what is told to the host. */
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

#include "sensor.h"

static uint64_t clock_us(clockid_t clock)
{
	struct timespec t;
	clock_gettime(clock, &t);
	return (uint64_t)t.tv_sec * 1000000u + (uint64_t)t.tv_nsec / 1000;
}

uint64_t now_us(void)
{
	return clock_us(CLOCK_MONOTONIC);
}

uint64_t now_ms(void)
{
	return now_us() / 1000;
}

void gap_tell(struct sensor *sensor, const char *where, const char *why)
{
	const struct sense_fact facts[] = {
	    {.field = "gap.what", .type = SENSE_FACT_TEXT, .text = "processes"},
	    {.field = "gap.where", .type = SENSE_FACT_TEXT, .text = where},
	    {.field = "gap.why", .type = SENSE_FACT_TEXT, .text = why},
	};
	sensor->host->tell("gap", 0, facts, sizeof facts / sizeof *facts);
}

/* FNV-1a: it only tells a name from the one before. */
uint32_t watch_name_hash(const char *name)
{
	uint32_t hash = 2166136261u;
	while (*name)
		hash = (hash ^ (unsigned char)*name++) * 16777619u;
	return hash ? hash : 1;
}

/* ---- telling --------------------------------------------------------------------------------------- */

static void digest_ask(struct sensor *sensor, struct known *known)
{
	struct look *look = &sensor->look;
	known->flags &= (uint8_t)~KNOWN_UNHASHED;
	if (!sensor->digests)
		return;
	known->file = look->has_file ? digests_short(&look->file) : 0;
	switch (digests_ask(sensor->digests, look, &look->process.hash)) {
	case DIGEST_LATER:
		sensor->undigested = true;
		known->flags |= KNOWN_UNHASHED;
		break;
	case DIGEST_WAITS:
		known->flags |= KNOWN_UNHASHED;
		break;
	case DIGEST_REFUSED:
		sensor->counts.unhashed += look->has_file;
		break;
	case DIGEST_KNOWN:
		break;
	}
}

static void refused_note(struct sensor *sensor, struct known *known)
{
	if (!sensor->look.refused || known->flags & KNOWN_NO_EXE)
		return;
	known->flags |= KNOWN_NO_EXE;
	sensor->counts.refused++;
	if (sensor->refused_told)
		return;
	sensor->refused_told = true; /* the first stands for all */
	char where[32];
	snprintf(where, sizeof where, "/proc/%u/exe", known->pid);
	gap_tell(sensor, where, strerror(sensor->look.refused));
}

/* What the table knows goes before what the system says now. */
static void look_take(struct sensor *sensor, struct known *known)
{
	struct look *look = &sensor->look;
	known->start = look->stat.start;
	known->name = watch_name_hash(look->stat.name);
	if (!known->start_us)
		known->start_us = look->process.start_us;
	look->process.start_us = known->start_us;
	/* Who forked it is its parent; the system names init once that one has ended. */
	if (known->parent)
		look->process.parent = known->parent;
	known->parent = look->process.parent;
	/* One that is about to end, or is not waited for yet, has no executable any more. */
	bool ended = !look->process.path && !look->refused && sensor->perf;
	const struct perf_image *image = ended ? perf_recall(sensor->perf, known->pid) : NULL;
	if (image && image->path[0])
		look->process.path = image->path;
	refused_note(sensor, known);
	digest_ask(sensor, known);
	look_end(look);
}

bool watch_tell(struct sensor *sensor, struct known *known, bool now)
{
	struct look *look = &sensor->look;
	enum look_result result = look_at(look, sensor->proc, known->pid, &sensor->users);
	known->flags &= (uint8_t) ~(KNOWN_FORKED | KNOWN_PENDING);
	if (result == LOOK_GONE)
		return false;
	if (result == LOOK_KERNEL) {
		known->start = look->stat.start;
		known->flags |= KNOWN_KERNEL;
		return true;
	}
	look_take(sensor, known);
	known->flags = (uint8_t)((known->flags & ~KNOWN_KERNEL) | KNOWN_TOLD);
	sensor->host->process_started(&look->process, now);
	return true;
}

void watch_digest(struct sensor *sensor, struct known *known)
{
	struct look *look = &sensor->look;
	if (look_at(look, sensor->proc, known->pid, &sensor->users) != LOOK_SEEN) {
		known->flags &= (uint8_t)~KNOWN_UNHASHED;
		return;
	}
	look_take(sensor, known);
	if (look->process.hash)
		sensor->host->process_started(&look->process, false);
}

void watch_ended(struct sensor *sensor, struct known *known, uint64_t ts_us, int code)
{
	uint32_t pid = known->pid;
	bool told = known->flags & KNOWN_TOLD;
	table_remove(&sensor->table, known);
	if (told)
		sensor->host->process_ended(pid, ts_us, code);
}

/*
 * It has ended before it could be looked at. What is known: who began it, whose it was by that, and what the
 * kernel wrote down as it was executed. A process that is not waited for yet still has its name.
 */
static void vanished_tell(struct sensor *sensor, struct known *known, const struct change *change)
{
	struct sense_process_known parent = {.size = sizeof parent};
	char user[USER_NAME_MAX];
	if (!known->start_us)
		known->start_us = look_time_monotonic(change->time_ns);
	struct sense_process process = {
	    .size = sizeof process, .pid = known->pid, .parent = known->parent, .start_us = known->start_us};
	const struct perf_image *image = sensor->perf ? perf_recall(sensor->perf, known->pid) : NULL;
	sensor->counts.vanished++;
	if (known->parent && sensor->host->process_find(known->parent, &parent)) {
		process.uid = parent.uid; /* the real one: executing a program does not change it */
		snprintf(user, sizeof user, "%s",
		         parent.user ? parent.user : ""); /* the host moves its own */
		process.user = user;
	}
	if (image) {
		process.name = image->name;
		process.path = image->path[0] ? image->path : NULL;
	}
	known->flags |= KNOWN_TOLD;
	sensor->host->process_started(&process, true);
}

/* ---- what waits ------------------------------------------------------------------------------------ */

static void pending_add(struct sensor *sensor, struct known *known)
{
	if (known->flags & KNOWN_PENDING)
		return;
	if (sensor->pending_count == PENDING_MAX) {
		/* A look through all finds it. */
		sensor->counts.dropped++;
		sensor->resync = true;
		return;
	}
	unsigned at = (sensor->pending_first + sensor->pending_count++) % PENDING_MAX;
	sensor->pending[at] = (struct pending){.pid = known->pid, .due_ms = now_ms() + PENDING_MS};
	known->flags |= KNOWN_PENDING;
}

void watch_pending(struct sensor *sensor, uint64_t deadline_us)
{
	while (sensor->pending_count && now_us() < deadline_us) {
		struct pending *first = &sensor->pending[sensor->pending_first];
		if (first->due_ms > now_ms())
			return;
		struct known *known = table_find(&sensor->table, first->pid);
		sensor->pending_first = (sensor->pending_first + 1) % PENDING_MAX;
		sensor->pending_count--;
		if (!known || !(known->flags & KNOWN_PENDING))
			continue;
		bool begins = known->flags & KNOWN_FORKED;
		if (!watch_tell(sensor, known, begins) && begins)
			table_remove(&sensor->table,
			             known); /* its end is still to come, and nobody waits for it */
	}
}

/* ---- what the connector tells ---------------------------------------------------------------------- */

/* The entry was made by a look through /proc that was ahead of this message. */
static bool is_same(const struct known *known, const struct change *change)
{
	uint64_t start = look_time(known->start), told = look_time_monotonic(change->time_ns);
	return known->start && start + 50000 > told && told + 50000 > start;
}

static void forked(struct sensor *sensor, const struct change *change)
{
	struct known *known = table_find(&sensor->table, change->pid);
	if (known && is_same(known, change)) {
		known->parent = change->parent;
		return;
	}
	if (known) /* its end was lost */
		watch_ended(sensor, known, look_time_monotonic(change->time_ns), -1);
	known = table_put(&sensor->table, change->pid);
	if (!known) {
		sensor->counts.dropped++;
		return;
	}
	known->parent = change->parent;
	known->start_us = look_time_monotonic(change->time_ns);
	known->round = sensor->round;
	known->flags = KNOWN_FORKED;
	pending_add(sensor, known);
}

static void executed(struct sensor *sensor, const struct change *change)
{
	struct known *known = table_put(&sensor->table, change->pid);
	if (!known) {
		sensor->counts.dropped++;
		return;
	}
	known->round = sensor->round;
	known->again = 0;
	known->searched = 0;
	known->flags &= (uint8_t)~KNOWN_NO_EXE;
	if (!watch_tell(sensor, known, true))
		vanished_tell(sensor, known, change);
}

/* Programs that give themselves a name write over their arguments next. */
static void changed(struct sensor *sensor, const struct change *change)
{
	struct known *known = table_find(&sensor->table, change->pid);
	if (!known || known->flags & (KNOWN_FORKED | KNOWN_KERNEL) || known->again >= AGAIN_MAX)
		return;
	known->again++;
	pending_add(sensor, known);
}

void watch_take(struct sensor *sensor, const struct change *change)
{
	struct known *known;
	sensor->counts.events++;
	switch (change->kind) {
	case CHANGE_FORK:
		forked(sensor, change);
		break;
	case CHANGE_EXEC:
		executed(sensor, change);
		break;
	case CHANGE_NAME:
	case CHANGE_USER:
		changed(sensor, change);
		break;
	case CHANGE_EXIT:
		known = table_find(&sensor->table, change->pid);
		if (known)
			watch_ended(sensor, known, look_time_monotonic(change->time_ns), change->code);
		break;
	}
}

void watch_drain(struct sensor *sensor, uint64_t deadline_us)
{
	struct change changes[CONNECTOR_BATCH];
	unsigned count;
	if (sensor->connector < 0)
		return;
	do {
		bool lost = false;
		count = connector_read(sensor->connector, changes, &lost);
		if (count && sensor->perf)
			perf_read(sensor->perf); /* it was written before the connector told */
		for (unsigned i = 0; i < count; i++)
			watch_take(sensor, &changes[i]);
		if (lost) {
			sensor->counts.lost++;
			sensor->loss_untold = sensor->resync = true;
		}
	} while (count && now_us() < deadline_us);
}
