/*
 * Power failure, played back: every write and sync of the store is recorded, and then a file is made for each
 * moment as a disk could have it: all that was synced before, and of what was written since any sectors of
 * 512 bytes, in any order, the rest old. A spool must open from each of them and hold what was promised by
 * then.
 *
 * Write calls are taken here, before the C library's: LMDB's go through the symbols of the program.
 */
#include <dlfcn.h>
#include <sys/uio.h>

#include "t/spool.h"
#include "t/tap.h"

#define SECTOR 512u
#define EVENTS_MAX 20000u
#define MAX_BYTES ((uint64_t)1 << 20)
#define NUMBERS 4096u

enum what { WRITE, SYNC, COMMITTED, PUT, GIVEN, GONE };

struct event {
	enum what what;
	uint64_t offset; /* or a number */
	size_t len;
	uint8_t *bytes;
};

static struct event events[EVENTS_MAX];
static unsigned event_count;
static ino_t recorded; /* of the store; 0: nothing is */
static sense_error err;
static char live[] = "/tmp/sense-power-XXXXXX", copy[] = "/tmp/sense-power-XXXXXX";

/* ---- recording -------------------------------------------------------------------------------------- */

static void record(enum what what, uint64_t offset, const void *bytes, size_t len)
{
	if (event_count == EVENTS_MAX)
		return;
	struct event *event = &events[event_count++];
	*event = (struct event){.what = what, .offset = offset, .len = len};
	if (len && (event->bytes = malloc(len)))
		memcpy(event->bytes, bytes, len);
}

static bool is_store(int fd)
{
	struct stat st;
	return recorded && !fstat(fd, &st) && st.st_ino == recorded;
}

#define REAL(name) ((__typeof__(&name))dlsym(RTLD_NEXT, #name))
#define OPEN __attribute__((visibility("default")))

OPEN ssize_t pwrite(int fd, const void *bytes, size_t len, off_t offset)
{
	bool ours = is_store(fd);
	if (ours)
		record(WRITE, (uint64_t)offset, bytes, len);
	ssize_t written = REAL(pwrite)(fd, bytes, len, offset);
	if (ours && fcntl(fd, F_GETFL) & O_DSYNC)
		record(SYNC, 0, NULL, 0);
	return written;
}

OPEN ssize_t writev(int fd, const struct iovec *parts, int count)
{
	if (is_store(fd)) {
		off_t at = lseek(fd, 0, SEEK_CUR);
		for (int i = 0; i < count; at += (off_t)parts[i++].iov_len)
			record(WRITE, (uint64_t)at, parts[i].iov_base, parts[i].iov_len);
	}
	return REAL(writev)(fd, parts, count);
}

OPEN ssize_t write(int fd, const void *bytes, size_t len)
{
	if (is_store(fd))
		record(WRITE, (uint64_t)lseek(fd, 0, SEEK_CUR), bytes, len);
	return REAL(write)(fd, bytes, len);
}

OPEN int fdatasync(int fd)
{
	int failed = REAL(fdatasync)(fd);
	if (!failed && is_store(fd))
		record(SYNC, 0, NULL, 0);
	return failed;
}

OPEN int fsync(int fd)
{
	int failed = REAL(fsync)(fd);
	if (!failed && is_store(fd))
		record(SYNC, 0, NULL, 0);
	return failed;
}

/* ---- a disk ----------------------------------------------------------------------------------------- */

struct image {
	uint8_t *bytes;
	size_t len, cap;
};

static void image_write(struct image *image, uint64_t offset, const uint8_t *bytes, size_t len)
{
	if (offset + len > image->cap) {
		size_t cap = (offset + len) * 2;
		uint8_t *larger = realloc(image->bytes, cap);
		if (!larger)
			abort();
		memset(larger + image->cap, 0, cap - image->cap);
		image->bytes = larger;
		image->cap = cap;
	}
	memcpy(image->bytes + offset, bytes, len);
	if (offset + len > image->len)
		image->len = offset + len;
}

static uint32_t dice(void)
{
	static uint64_t state = 0x9E3779B97F4A7C15u;
	state ^= state << 13;
	state ^= state >> 7;
	state ^= state << 17;
	return (uint32_t)(state >> 16);
}

/* Sectors of a write, each of which may have reached the disk: with 1 of 8, 4 of 8, or 7 of 8. */
static void image_tear(struct image *image, const struct event *event, unsigned luck)
{
	for (size_t at = 0; at < event->len; at += SECTOR) {
		size_t len = event->len - at < SECTOR ? event->len - at : SECTOR;
		if (dice() % 8 < luck)
			image_write(image, event->offset + at, event->bytes + at, len);
	}
}

/* ---- a spool in use --------------------------------------------------------------------------------- */

static sense_spool *open_at(const char *dir)
{
	struct sense_spool_config config = {
	    .dir = dir, .max_bytes = MAX_BYTES, .remembered = 64, .machine = "/dev/null"};
	return sense_spool_open(&config, &err);
}

/* The image from which recording begins; findings of many sizes come and go. */
static void use(struct image *begun)
{
	struct stat st;
	struct sense_spool_item item = {0};
	char path[64];
	uint64_t n = 0;
	sense_spool *spool = open_at(live);
	snprintf(path, sizeof path, "%s/spool.mdb", live);
	begun->bytes = file_read(path, &begun->len);
	begun->cap = begun->len;
	recorded = stat(path, &st) ? 0 : st.st_ino;
	for (unsigned i = 0; spool && i < 60; i++) {
		for (unsigned j = 1 + dice() % 12; j; j--) {
			record(PUT, ++n, NULL, 0);
			put_number(spool, n, n % 4 ? "low" : "high", 100 + dice() % (dice() % 5 ? 800 : 9000),
			           NULL);
		}
		if (!sense_spool_commit(spool, &err))
			record(COMMITTED, n, NULL, 0);
		if (i % 4 != 3)
			continue;
		uint64_t from = event_count;
		for (unsigned j = 0; j < 15 && sense_spool_next(spool, item.sequence, &item); j++)
			record(GIVEN, number_of(&item), NULL, 0);
		uint64_t to = event_count;
		if (!sense_spool_ack(spool, item.sequence, &err))
			for (; from < to; from++)
				record(GONE, events[from].offset, NULL, 0);
	}
	recorded = 0;
	sense_spool_close(spool);
}

/* ---- after the failure ------------------------------------------------------------------------------ */

struct faults {
	unsigned closed, aside, lost, doubled;
};

/* promised: by number, a bit for each kind of event. */
static void compare(const uint8_t promised[NUMBERS], struct faults *faults)
{
	static uint8_t seen[NUMBERS];
	struct sense_spool_item item = {0};
	struct sense_spool_stats stats;
	sense_spool *spool = open_at(copy);
	if (!spool) {
		faults->closed++;
		return;
	}
	memset(seen, 0, sizeof seen);
	sense_spool_stats(spool, &stats);
	faults->aside += stats.set_aside_now + stats.undecodable != 0;
	while (sense_spool_next(spool, item.sequence, &item)) {
		uint64_t n = number_of(&item);
		if (n >= NUMBERS || seen[n]++ || promised[n] & 1u << GONE || !(promised[n] & 1u << PUT))
			faults->doubled++;
	}
	for (unsigned n = 0; n < NUMBERS; n++)
		faults->lost += promised[n] & 1u << COMMITTED && !(promised[n] & 1u << GIVEN) && !seen[n];
	if (put_number(spool, NUMBERS + 1, "low", 500, NULL) || sense_spool_commit(spool, &err))
		faults->closed++;
	sense_spool_close(spool);
}

static void fail_at(const struct image *synced, unsigned from, unsigned to, const uint8_t promised[NUMBERS],
                    struct faults *faults)
{
	static const unsigned luck[] = {1, 4, 7};
	char path[64];
	snprintf(path, sizeof path, "%s/spool.mdb", copy);
	for (unsigned i = 0; i < sizeof luck / sizeof *luck; i++) {
		struct image disk = {.bytes = malloc(synced->cap), .len = synced->len, .cap = synced->cap};
		if (!disk.bytes)
			abort();
		memcpy(disk.bytes, synced->bytes, synced->cap);
		for (unsigned j = from; j < to; j++)
			if (events[j].what == WRITE)
				image_tear(&disk, &events[j], luck[i]);
		file_write(path, disk.bytes, disk.len);
		compare(promised, faults);
		free(disk.bytes);
	}
}

int main(void)
{
	static uint8_t promised[NUMBERS];
	struct image synced = {0};
	struct faults faults = {0};
	char from[64], to[64];
	unsigned since = 0, moments = 0, committed = 0, syncs = 0;
	size_t len;
	if (!mkdtemp(live) || !mkdtemp(copy))
		return 1;
	use(&synced);
	snprintf(from, sizeof from, "%s/key", live);
	snprintf(to, sizeof to, "%s/key", copy);
	uint8_t *key = file_read(from, &len);
	file_write(to, key, len);
	free(key);
	for (unsigned i = 0; i < event_count; i++) {
		const struct event *event = &events[i];
		syncs += event->what == SYNC;
		for (; event->what == SYNC && since < i; since++)
			if (events[since].what == WRITE)
				image_write(&synced, events[since].offset, events[since].bytes,
				            events[since].len);
		for (; event->what == COMMITTED && committed < event->offset;)
			promised[++committed] |= 1u << COMMITTED;
		if (event->what > COMMITTED)
			promised[event->offset] |= (uint8_t)(1u << event->what);
		if (event->what != WRITE && event->what != SYNC)
			continue;
		fail_at(&synced, since, i + 1, promised, &faults);
		moments++;
	}
	ok(committed > 100 && syncs > 120 && moments > 200,
	   "%u findings were committed; power fails at %u moments between %u syncs, in 3 ways each",
	   committed, moments, syncs);
	is_num(faults.closed, 0, "each time the spool opens, and takes a finding");
	is_num(faults.aside, 0, "its store is whole, and so is each record");
	is_num(faults.lost, 0, "nothing that was committed is lost");
	is_num(faults.doubled, 0, "nothing is there twice, or again");
	for (unsigned i = 0; i < event_count; i++)
		free(events[i].bytes);
	free(synced.bytes);
	remove_all(live);
	remove_all(copy);
	return tap_done();
}
