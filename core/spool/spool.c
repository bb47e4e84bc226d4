#include "core/spool/spool.h"

#include <endian.h>
#include <errno.h>
#include <limits.h>
#include <openssl/crypto.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "core/base/log.h"
#include "core/rules/rule.h"
#include "core/spool/check.h"
#include "core/spool/hostkey.h"
#include "core/spool/place.h"
#include "core/spool/store.h"

#define NEW_FILE "spool.new"
#define MACHINE_ID "/etc/machine-id"
#define CONDEMNED_MAX 256u
#define PROBE 16u
#define STEP 1024u /* records removed in one transaction: it must do with the room kept for that */

_Static_assert(SENSE_STORE_SEVERITIES == SENSE_SPOOL_SEVERITIES &&
                   SENSE_CRITICAL + 1 == SENSE_SPOOL_SEVERITIES,
               "a count for each severity");
_Static_assert(SENSE_STORE_RECORD_MAX >= SENSE_FINDING_BYTES_MAX + SENSE_SEAL_EXTRA + 1, "any finding fits");

struct waiting {
	uint64_t sequence;
	uint8_t severity;
	uint8_t name[SENSE_SEAL_NAME];
	uint8_t *sealed; /* owned */
	size_t len;
};

struct sense_spool {
	bool existing;
	struct sense_place place;
	char path[PATH_MAX], new_path[PATH_MAX];
	sense_seal *seal;
	uint8_t check[SENSE_SEAL_NAME];
	struct sense_store store;
	bool trusted; /* the file was walked since the process began, and nothing odd was seen after */
	struct sense_store_state state; /* with what is counted since the latest commit */
	bool counted;                   /* there is something of that */
	struct waiting queue[SENSE_SPOOL_QUEUE_MAX];
	unsigned queued;
	size_t queue_bytes;
	uint64_t condemned[CONDEMNED_MAX]; /* records that cannot be opened, to be removed */
	unsigned condemned_count;
	uint64_t set_aside_now, failures;
	bool failing;
	uint8_t plain[SENSE_FINDING_BYTES_MAX];
	uint8_t record[SENSE_STORE_RECORD_MAX];
};

/* ---- records ---------------------------------------------------------------------------------------- */

/* What a record is tied to: it cannot be passed off as another, or as less grave. */
struct bound {
	uint8_t version;
	uint8_t severity;
	uint8_t sequence[8];
};

static struct bound bound_of(uint8_t severity, uint64_t sequence)
{
	struct bound bound = {.version = SENSE_STORE_VERSION, .severity = severity};
	sequence = htobe64(sequence);
	memcpy(bound.sequence, &sequence, sizeof sequence);
	return bound;
}

/* Opens spool->record into spool->plain. */
static bool record_open(sense_spool *spool, uint64_t sequence, size_t len, size_t *plain_len)
{
	if (len < 1 + SENSE_SEAL_EXTRA || len > 1 + SENSE_SEAL_EXTRA + sizeof spool->plain)
		return false;
	struct bound bound = bound_of(spool->record[0], sequence);
	*plain_len = len - 1 - SENSE_SEAL_EXTRA;
	return sense_seal_unwrap(spool->seal, &bound, sizeof bound, spool->record + 1, len - 1, spool->plain);
}

/* ---- the store: found good, set aside, or made ------------------------------------------------------ */

static uint64_t now_us(void)
{
	struct timespec now;
	clock_gettime(CLOCK_REALTIME, &now);
	return (uint64_t)now.tv_sec * 1000000 + (uint64_t)now.tv_nsec / 1000;
}

static enum sense_status store_fail(const sense_spool *spool, int code, const char *doing, sense_error *err)
{
	enum sense_status status = code == ENOMEM            ? SENSE_E_MEMORY
	                         : sense_store_damaged(code) ? SENSE_E_FORMAT
	                                                     : SENSE_E_IO;
	/* LMDB makes EIO of a write that a full disk cut short. */
	return sense_fail(err, status, "spool", "%s: cannot %s: %s%s", spool->path, doing,
	                  sense_store_text(code), code == EIO ? "; or the disk is full" : "");
}

/* Nothing is thrown away: somebody may still have the key, or want to know what happened. */
static enum sense_status set_aside(sense_spool *spool, const char *name, const char *stem, const char *why,
                                   sense_error *err)
{
	char as[64];
	if (spool->existing)
		return sense_fail(err, SENSE_E_FORMAT, "spool", "%s/%s: %s", spool->place.dir, name, why);
	enum sense_status status = sense_place_set_aside(&spool->place, name, stem, as, err);
	if (status)
		return status;
	sense_log(SENSE_LOG_ERROR, "spool", "%s/%s cannot be used: %s. It is kept as %s; a new one is begun",
	          spool->place.dir, name, why, as);
	return SENSE_OK;
}

static enum sense_status store_set_aside(sense_spool *spool, const char *why, sense_error *err)
{
	sense_store_close(&spool->store);
	spool->trusted = false;
	spool->condemned_count = 0;
	enum sense_status status = set_aside(spool, SENSE_STORE_FILE, "spool", why, err);
	spool->set_aside_now += !status;
	return status;
}

/* Something was read that cannot be: the rest is not to be trusted either. */
static void store_distrust(sense_spool *spool, int code)
{
	sense_error err;
	if (store_set_aside(spool, sense_store_text(code), &err))
		sense_log(SENSE_LOG_ERROR, "spool", "%s", err.message);
}

/*
 * Sequences of a lost store must not come again, so they begin at the time. The new file is whole and synced
 * before it has its name.
 */
static enum sense_status store_make(sense_spool *spool, sense_error *err)
{
	struct sense_store_state fresh = spool->state;
	uint64_t now = now_us();
	fresh.next = fresh.next > now ? fresh.next : now;
	fresh.since = now;
	fresh.findings = fresh.bytes = 0;
	fresh.set_aside = sense_place_aside(&spool->place, "spool");
	unlinkat(spool->place.fd, NEW_FILE, 0);
	int code = sense_store_make(spool->new_path, &fresh, spool->check);
	if (!code && (rename(spool->new_path, spool->path) || fsync(spool->place.fd)))
		code = errno;
	if (!code)
		return SENSE_OK;
	unlinkat(spool->place.fd, NEW_FILE, 0);
	return store_fail(spool, code, "begin a new spool", err);
}

/*
 * A store that was open before: a commit that failed may have reached the disk all the same, so what is kept
 * is what the file says, and counts are the larger of the two.
 */
static void state_take(sense_spool *spool, const struct sense_store_state *found)
{
	struct sense_store_state *own = &spool->state, before = *own;
#define LARGER(field) own->field = found->field > before.field ? found->field : before.field
	*own = *found;
	LARGER(next);
	LARGER(known);
	LARGER(acknowledged);
	LARGER(undecodable);
	for (unsigned i = 0; i < SENSE_STORE_SEVERITIES; i++)
		LARGER(dropped[i]);
#undef LARGER
}

/* Opens the file that is there. *bad: why it is to be set aside; "": it is not. */
static enum sense_status store_try(sense_spool *spool, char *bad, size_t cap, sense_error *err)
{
	struct sense_store_state state;
	uint8_t check[SENSE_SEAL_NAME];
	enum sense_check result = SENSE_CHECK_GOOD;
	*bad = '\0';
	if (!spool->trusted)
		result = sense_check_store(spool->path, bad, cap);
	if (result == SENSE_CHECK_FAILED)
		return sense_fail(err, SENSE_E_IO, "spool", "%s: cannot be read: %s", spool->path, bad);
	if (result == SENSE_CHECK_DAMAGED)
		return SENSE_OK;
	int code = sense_store_open(&spool->store, spool->path, false, &state, check);
	if (sense_store_damaged(code))
		snprintf(bad, cap, "%s", sense_store_text(code));
	else if (code)
		return store_fail(spool, code, "open it", err);
	else if (CRYPTO_memcmp(check, spool->check, sizeof check))
		snprintf(bad, cap, "it was sealed with another key, or on a machine of another id");
	else
		state_take(spool, &state);
	if (*bad)
		sense_store_close(&spool->store);
	return SENSE_OK;
}

static enum sense_status store_ready(sense_spool *spool, sense_error *err)
{
	char bad[256];
	enum sense_status status = SENSE_OK;
	/* Twice: what was made anew is tried as well. */
	for (unsigned i = 0; !status && !spool->store.env && i < 2; i++) {
		bool there = sense_place_has(&spool->place, SENSE_STORE_FILE);
		if (!there && spool->existing)
			return sense_fail(err, SENSE_E_NOTFOUND, "spool", "%s: there is no spool",
			                  spool->path);
		if (!there)
			status = store_make(spool, err);
		if (!status)
			status = store_try(spool, bad, sizeof bad, err);
		if (!status && *bad)
			status = store_set_aside(spool, bad, err);
	}
	if (!status && !spool->store.env)
		status = sense_fail(err, SENSE_E_IO, "spool", "%s: a new spool cannot be read either",
		                    spool->path);
	spool->trusted = !status;
	return status;
}

/* ---- writing ---------------------------------------------------------------------------------------- */

static void queue_remove(sense_spool *spool, unsigned at)
{
	struct waiting gone = spool->queue[at];
	spool->queued--;
	for (; at < spool->queued; at++)
		spool->queue[at] = spool->queue[at + 1];
	spool->queue_bytes -= gone.len;
	free(gone.sealed);
}

/* The first so many. */
static void queue_clear(sense_spool *spool, unsigned count)
{
	for (unsigned i = 0; i < count; i++) {
		spool->queue_bytes -= spool->queue[i].len;
		free(spool->queue[i].sealed);
	}
	spool->queued -= count;
	memmove(spool->queue, spool->queue + count, spool->queued * sizeof *spool->queue);
}

static size_t queue_size(const sense_spool *spool, unsigned count)
{
	size_t size = 0;
	for (unsigned i = 0; i < count; i++)
		size += spool->queue[i].len;
	return size;
}

static int queue_write(const sense_spool *spool, struct sense_store_change *change, unsigned count)
{
	int code = 0;
	for (unsigned i = 0; !code && i < count; i++) {
		const struct waiting *one = &spool->queue[i];
		struct sense_store_record record = {.sequence = one->sequence,
		                                    .severity = one->severity,
		                                    .sealed = one->sealed,
		                                    .len = one->len};
		memcpy(record.name, one->name, sizeof record.name);
		code = sense_store_add(change, &record);
	}
	return code;
}

/* What transactions are for. */
struct task {
	bool acks;
	uint64_t up_to;   /* of acks */
	unsigned portion; /* of those that wait, in one transaction */
	bool more;        /* there is more than one transaction does */
};

static int change_make(sense_spool *spool, struct sense_store_change *change, struct task *task,
                       unsigned *count)
{
	bool more = false;
	int code = 0, room = *count ? sense_store_room(change, queue_size(spool, *count)) : 0;
	if (task->acks)
		code = sense_store_acknowledge(change, task->up_to, STEP, &task->more);
	for (unsigned i = 0; !code && i < spool->condemned_count; i++)
		code = sense_store_condemn(change, spool->condemned[i]);
	code = code ? code : sense_store_trim(change, STEP, &more);
	task->more |= more;
	if (more || task->more)
		*count = 0;
	return code || !*count ? code : room ? room : queue_write(spool, change, *count);
}

/* One transaction: a step of what is to be removed, and with the last step what waits. */
static int write_step(sense_spool *spool, struct task *task)
{
	struct sense_store_change change;
	unsigned count = task->acks ? 0 : spool->queued < task->portion ? spool->queued : task->portion;
	task->more = false;
	int code = sense_store_begin(&spool->store, &spool->state, &change);
	if (code)
		return code;
	code = change_make(spool, &change, task, &count);
	if (code)
		sense_store_abandon(&change);
	else
		code = sense_store_commit(&change);
	if (code)
		return code;
	spool->state = change.state;
	spool->condemned_count = 0;
	spool->counted = false;
	queue_clear(spool, count);
	task->portion *= task->portion < SENSE_SPOOL_QUEUE_MAX ? 2 : 1;
	task->more |= !task->acks && spool->queued;
	return 0;
}

/* The store stays usable after these; after others it is opened anew (LMDB may have given it up). */
static bool passing(int code)
{
	return code == ENOSPC || code == EDQUOT || code == ENOMEM || code == MDB_MAP_FULL ||
	       code == MDB_TXN_FULL;
}

static enum sense_status write_out(sense_spool *spool, struct task task, sense_error *err)
{
	int code = 0;
	enum sense_status status = store_ready(spool, err);
	/*
	 * After a failure a few come first, then more and more: what is tried in vain costs time, and a disk
	 * that is nearly full may have room for some.
	 */
	task.portion = spool->failing ? PROBE : SENSE_SPOOL_QUEUE_MAX;
	if (status)
		goto out;
	do
		code = write_step(spool, &task);
	while (code == MDB_MAP_FULL ? sense_store_grow(&spool->store) : !code && task.more);
	if (code)
		status = store_fail(spool, code, "write to it", err);
	if (sense_store_damaged(code))
		store_distrust(spool, code);
	else if (code && !passing(code))
		sense_store_close(&spool->store);
out:
	spool->failing = status || (spool->failing && task.acks); /* these need less room than others */
	spool->failures += status != SENSE_OK;
	return status;
}

enum sense_status sense_spool_commit(sense_spool *spool, sense_error *err)
{
	if (!spool->queued && !spool->condemned_count && spool->state.bytes <= spool->store.max_bytes)
		return SENSE_OK;
	return write_out(spool, (struct task){0}, err);
}

enum sense_status sense_spool_ack(sense_spool *spool, uint64_t up_to, sense_error *err)
{
	uint64_t first = 0;
	size_t len;
	enum sense_status status = store_ready(spool, err);
	if (status)
		return status;
	if (sense_store_next(&spool->store, &first, spool->record, &len) == MDB_NOTFOUND || first > up_to)
		return SENSE_OK;
	return write_out(spool, (struct task){.acks = true, .up_to = up_to}, err);
}

/* ---- taking ----------------------------------------------------------------------------------------- */

static bool known_already(const sense_spool *spool, const uint8_t name[SENSE_SEAL_NAME])
{
	for (unsigned i = 0; i < spool->queued; i++)
		if (!memcmp(spool->queue[i].name, name, SENSE_SEAL_NAME))
			return true;
	return sense_store_knows(&spool->store, name);
}

static bool queue_full(const sense_spool *spool, size_t len)
{
	return spool->queued == SENSE_SPOOL_QUEUE_MAX ||
	       spool->queue_bytes + len > SENSE_SPOOL_QUEUE_BYTES_MAX;
}

/* Drops what is below or beside a newcomer; false: all that waits is graver. */
static bool queue_yield(sense_spool *spool, uint8_t severity, size_t len)
{
	while (queue_full(spool, len)) {
		unsigned lowest = 0;
		for (unsigned i = 1; i < spool->queued; i++)
			if (spool->queue[i].severity < spool->queue[lowest].severity)
				lowest = i;
		uint8_t least = spool->queue[lowest].severity;
		spool->state.dropped[least < severity ? least : severity]++;
		spool->counted = true;
		if (least > severity)
			return false;
		queue_remove(spool, lowest);
	}
	return true;
}

static enum sense_status queue_add(sense_spool *spool, uint8_t severity, const uint8_t name[SENSE_SEAL_NAME],
                                   size_t plain_len, sense_error *err)
{
	struct waiting *one = &spool->queue[spool->queued];
	*one = (struct waiting){
	    .sequence = spool->state.next, .severity = severity, .len = plain_len + SENSE_SEAL_EXTRA};
	memcpy(one->name, name, SENSE_SEAL_NAME);
	struct bound bound = bound_of(severity, one->sequence);
	one->sealed = malloc(one->len);
	if (!one->sealed ||
	    !sense_seal_wrap(spool->seal, &bound, sizeof bound, spool->plain, plain_len, one->sealed)) {
		free(one->sealed);
		spool->state.dropped[severity]++;
		spool->counted = true;
		return sense_fail(err, SENSE_E_MEMORY, "spool", "no memory for a finding");
	}
	spool->state.next++;
	spool->queued++;
	spool->queue_bytes += one->len;
	return SENSE_OK;
}

enum sense_status sense_spool_put(sense_spool *spool, const struct sense_finding *finding, bool *known,
                                  sense_error *err)
{
	uint8_t name[SENSE_SEAL_NAME];
	*known = false;
	int severity = finding->severity ? sense_severity_find(finding->severity) : -1;
	size_t len = severity < 0 ? 0 : sense_finding_encode(finding, spool->plain, sizeof spool->plain);
	if (!len)
		return sense_fail(err, SENSE_E_FORMAT, "spool",
		                  "a finding without severity, or beyond its bounds");
	sense_seal_name(spool->seal, finding->id, name);
	if (known_already(spool, name)) {
		*known = true;
		spool->state.known++;
		spool->counted = true;
		return SENSE_OK;
	}
	if (queue_full(spool, len + SENSE_SEAL_EXTRA) && !spool->failing)
		sense_spool_commit(spool, NULL); /* the caller is late; if it fails, something has to go */
	if (!queue_yield(spool, (uint8_t)severity, len + SENSE_SEAL_EXTRA))
		return sense_fail(err, SENSE_E_LIMIT, "spool", "memory is full of graver findings that wait");
	return queue_add(spool, (uint8_t)severity, name, len, err);
}

/* ---- giving ----------------------------------------------------------------------------------------- */

static bool is_condemned(const sense_spool *spool, uint64_t sequence)
{
	for (unsigned i = 0; i < spool->condemned_count; i++)
		if (spool->condemned[i] == sequence)
			return true;
	return false;
}

bool sense_spool_next(sense_spool *spool, uint64_t after, struct sense_spool_item *item)
{
	size_t len;
	if (store_ready(spool, NULL))
		return false;
	for (;;) {
		int code = sense_store_next(&spool->store, &after, spool->record, &len);
		if (code == MDB_NOTFOUND)
			return false;
		if (code) {
			if (sense_store_damaged(code))
				store_distrust(spool, code);
			return false;
		}
		if (record_open(spool, after, len, &item->len)) {
			item->sequence = after;
			item->bytes = spool->plain;
			return true;
		}
		if (spool->condemned_count < CONDEMNED_MAX && !is_condemned(spool, after))
			spool->condemned[spool->condemned_count++] = after;
	}
}

void sense_spool_stats(const sense_spool *spool, struct sense_spool_stats *stats)
{
	const struct sense_store_state *state = &spool->state;
	*stats = (struct sense_spool_stats){
	    .findings = state->findings,
	    .bytes = state->bytes,
	    .waiting = spool->queued,
	    .known = state->known,
	    .acknowledged = state->acknowledged,
	    .undecodable = state->undecodable + spool->condemned_count,
	    .since = state->since,
	    .set_aside = state->set_aside,
	    .set_aside_now = spool->set_aside_now,
	    .failures = spool->failures,
	    .failing = spool->failing,
	};
	memcpy(stats->dropped, state->dropped, sizeof stats->dropped);
}

/* ---- begin and end ---------------------------------------------------------------------------------- */

/* Without its key a store is set aside; the new one must not lie beside the old store's key. */
static enum sense_status key_ready(sense_spool *spool, uint8_t key[SENSE_SEAL_KEY], sense_error *err)
{
	enum sense_hostkey_state found;
	enum sense_status status = sense_hostkey_read(spool->place.fd, spool->place.dir, key, &found, err);
	if (status || found == SENSE_HOSTKEY_GOOD)
		return status;
	bool missing = found == SENSE_HOSTKEY_MISSING;
	if (spool->existing)
		return sense_fail(err, SENSE_E_NOTFOUND, "spool", "%s: there is no spool%s", spool->place.dir,
		                  missing ? "" : " with a whole key");
	if (sense_place_has(&spool->place, SENSE_STORE_FILE))
		status =
		    store_set_aside(spool, missing ? "its host key is lost" : "its host key is damaged", err);
	if (!status && !missing)
		status = set_aside(spool, "key", "key", "it has not the length of a key", err);
	return status ? status : sense_hostkey_make(spool->place.fd, spool->place.dir, key, err);
}

static enum sense_status seal_ready(sense_spool *spool, const char *machine_file, sense_error *err)
{
	uint8_t key[SENSE_SEAL_KEY];
	char machine[SENSE_MACHINE_ID_MAX];
	enum sense_status status = key_ready(spool, key, err);
	if (status)
		return status;
	sense_machine_id(machine_file ? machine_file : MACHINE_ID, machine);
	spool->seal = sense_seal_new(key, machine, err);
	OPENSSL_cleanse(key, sizeof key);
	if (!spool->seal)
		return SENSE_E_UNSUPPORTED;
	sense_seal_check(spool->seal, spool->check);
	return SENSE_OK;
}

sense_spool *sense_spool_open(const struct sense_spool_config *config, sense_error *err)
{
	sense_spool *spool = calloc(1, sizeof *spool);
	if (!spool) {
		sense_fail(err, SENSE_E_MEMORY, "spool", "no memory for the spool");
		return NULL;
	}
	spool->existing = config->existing;
	spool->store.max_bytes = config->max_bytes;
	spool->store.remembered = config->remembered ? config->remembered : SENSE_SPOOL_REMEMBERED;
	enum sense_status status = sense_place_open(&spool->place, config->dir, !config->existing, err);
	if (!status) {
		snprintf(spool->path, sizeof spool->path, "%s/" SENSE_STORE_FILE, spool->place.dir);
		snprintf(spool->new_path, sizeof spool->new_path, "%s/" NEW_FILE, spool->place.dir);
		status = seal_ready(spool, config->machine, err);
	}
	if (!status)
		status = store_ready(spool, err);
	if (!status)
		return spool;
	sense_spool_close(spool);
	return NULL;
}

void sense_spool_close(sense_spool *spool)
{
	if (!spool)
		return;
	if (spool->store.env && (spool->queued || spool->condemned_count || spool->counted))
		write_out(spool, (struct task){0}, NULL);
	queue_clear(spool, spool->queued);
	sense_store_close(&spool->store);
	sense_seal_free(spool->seal);
	sense_place_close(&spool->place);
	OPENSSL_cleanse(spool->plain, sizeof spool->plain);
	free(spool);
}
