/*
 * Spools that are not what they should be: lost and wrong keys, files cut short or full of garbage, records
 * that were tampered with. None may end the process, none is thrown away, and a new spool is begun.
 * SENSE_TEST_GARBAGE=5000 tries more garbage.
 */
#include <endian.h>
#include <sys/stat.h>

#include "core/spool/store.h"
#include "t/spool.h"
#include "t/tap.h"

#define MIB ((uint64_t)1 << 20)
#define KEPT 40u
#define PAGE 4096u

static sense_error err;
static char top[] = "/tmp/sense-damage-XXXXXX";
static char dir[64], store[80], key[80], machine[64];

static sense_spool *try_open(bool existing)
{
	struct sense_spool_config config = {
	    .dir = dir, .max_bytes = MIB, .machine = machine, .existing = existing};
	return sense_spool_open(&config, &err);
}

/* A spool with KEPT findings of several sizes, and some that were acknowledged. */
static void make(void)
{
	static unsigned number;
	struct sense_spool_item item = {0};
	snprintf(dir, sizeof dir, "%s/%u", top, ++number);
	snprintf(store, sizeof store, "%s/spool.mdb", dir);
	snprintf(key, sizeof key, "%s/key", dir);
	sense_spool *spool = try_open(false);
	for (uint64_t n = 1; n <= KEPT + 10; n++) {
		put_number(spool, n, n % 3 ? "low" : "high", n % 5 ? 400 : 9000, NULL);
		if (n % 7 == 0)
			sense_spool_commit(spool, &err);
	}
	sense_spool_commit(spool, &err);
	for (unsigned i = 0; i < 10; i++)
		sense_spool_next(spool, item.sequence, &item);
	sense_spool_ack(spool, item.sequence, &err);
	sense_spool_close(spool);
}

/* Takes and gives findings as ever. */
static bool works(sense_spool *spool)
{
	static uint64_t next = 100000;
	struct sense_spool_item item = {0};
	uint64_t number = ++next, last = 0;
	if (!spool || put_number(spool, number, "critical", 300, NULL) || sense_spool_commit(spool, &err))
		return false;
	while (sense_spool_next(spool, item.sequence, &item))
		last = number_of(&item);
	return last == number && !sense_spool_ack(spool, UINT64_MAX, &err) &&
	       !sense_spool_next(spool, 0, &item);
}

static unsigned count(sense_spool *spool)
{
	struct sense_spool_stats stats = {0};
	if (spool)
		sense_spool_stats(spool, &stats);
	return (unsigned)stats.findings;
}

/* The store at `store` must be set aside, a new one begun; who only looks is told, and changes nothing. */
static void is_set_aside(const char *what)
{
	struct sense_spool_stats stats = {0};
	sense_spool *spool = try_open(true);
	ok(!spool && !entries(dir, "spool.unreadable-"), "%s: who only looks sets nothing aside", what);
	sense_spool_close(spool);
	spool = try_open(false);
	if (spool)
		sense_spool_stats(spool, &stats);
	ok(spool && stats.set_aside_now == 1 && stats.set_aside == 1, "%s: it is set aside, and counted",
	   what);
	is_num(stats.findings, 0, "%s: a new one is begun", what);
	is_num(entries(dir, "spool.unreadable-"), 1, "%s: the old one is kept", what);
	ok(works(spool), "%s: the new one works", what);
	sense_spool_close(spool);
	spool = try_open(false);
	if (spool)
		sense_spool_stats(spool, &stats);
	ok(stats.set_aside == 1 && !stats.set_aside_now, "%s: the count survives, the new one stays", what);
	sense_spool_close(spool);
	remove_all(dir);
}

static void keys(void)
{
	char other[96];
	uint8_t bytes[32] = {1};
	make();
	unlink(key);
	is_set_aside("key lost");
	make();
	file_write(key, bytes, sizeof bytes);
	is_set_aside("another key");
	make();
	file_write(machine, "ffffffffffffffffffffffffffffffff\n", 33);
	is_set_aside("another machine");
	file_write(machine, "0123456789abcdef0123456789abcdef\n", 33);

	make();
	file_write(key, "short", 5);
	sense_spool *spool = try_open(false);
	ok(spool && !count(spool) && entries(dir, "key.unreadable-") == 1 &&
	       entries(dir, "spool.unreadable-") == 1,
	   "a damaged key and its store are set aside");
	ok(works(spool), "a new key is made");
	sense_spool_close(spool);
	remove_all(dir);

	make();
	ok(!chmod(key, 0640), "a key that a group can read");
	spool = try_open(false);
	ok(!spool && strstr(err.message, "mode 0640"), "is refused: %s", err.message);
	ok(!entries(dir, "spool.unreadable-"), "and nothing is set aside for it");
	ok(!chmod(key, 0600) && (spool = try_open(false)) && count(spool) == KEPT, "it can be mended");
	sense_spool_close(spool);
	snprintf(other, sizeof other, "%s/other", dir);
	ok(!rename(key, other) && !symlink("other", key), "a key that is a symbolic link");
	ok(!try_open(false), "is refused: %s", err.message);
	remove_all(dir);
}

static void directories(void)
{
	struct stat st;
	make();
	ok(!chmod(dir, 0755), "a directory that is open to others");
	sense_spool *spool = try_open(false);
	ok(spool && !stat(dir, &st) && (st.st_mode & 07777) == 0700, "is closed to them");
	sense_spool_close(spool);
	if (!geteuid() && !chown(dir, 65534, 65534))
		ok(!try_open(false), "one that is somebody else's is refused: %s", err.message);
	remove_all(dir);
	ok(!try_open(true) && err.status == SENSE_E_NOTFOUND && access(dir, F_OK),
	   "who only looks makes nothing");
}

/* ---- files ------------------------------------------------------------------------------------------ */

static void files(void)
{
	size_t len;
	static uint8_t zeros[20 * PAGE];
	make();
	file_write(store, "", 0);
	is_set_aside("empty file");
	make();
	file_write(store, zeros, sizeof zeros);
	is_set_aside("zeros");
	make();
	file_write(store, zeros, 100);
	is_set_aside("a few zeros");
	make();
	file_write(store, "GIF89a, not a store at all", 26);
	is_set_aside("another file");
	make();
	ok(!unlink(store) && !mkdir(store, 0700), "a directory in its place");
	is_set_aside("a directory");
	make();
	ok(!unlink(store) && !mkfifo(store, 0600), "a FIFO in its place");
	is_set_aside("a FIFO");
	make();
	uint8_t *bytes = file_read(store, &len);
	memset(bytes + 2 * PAGE, 0, len - 2 * PAGE);
	file_write(store, bytes, len);
	is_set_aside("nothing but its head");
	make();
	bytes[20] ^= 1; /* the version of the format, in both heads */
	bytes[PAGE + 20] ^= 1;
	file_write(store, bytes, len);
	is_set_aside("another version of LMDB's format");
	free(bytes);
}

static void newer(void)
{
	struct sense_store raw = {.max_bytes = MIB};
	struct sense_store_state state;
	uint8_t check[SENSE_SEAL_NAME];
	char name[] = "state";
	MDB_txn *txn = NULL;
	MDB_val meta_key = {5, name}, value;
	uint8_t meta[1024];
	make();
	ok(!sense_store_open(&raw, store, false, &state, check) && !mdb_txn_begin(raw.env, NULL, 0, &txn) &&
	       !mdb_get(txn, raw.dbi[SENSE_STORE_META], &meta_key, &value) && value.mv_size < sizeof meta,
	   "a store");
	memcpy(meta, value.mv_data, value.mv_size);
	meta[0]++; /* its version */
	value.mv_data = meta;
	ok(!mdb_put(txn, raw.dbi[SENSE_STORE_META], &meta_key, &value, 0) && !mdb_txn_commit(txn),
	   "of another version");
	sense_store_close(&raw);
	is_set_aside("newer store");
}

/* Cut at each page, and within. */
static void cut(void)
{
	size_t len;
	unsigned lost = 0, whole = 0, other = 0, broken = 0;
	make();
	uint8_t *bytes = file_read(store, &len);
	for (size_t at = 0; at < len; at += PAGE / 2) {
		file_write(store, bytes, at);
		sense_spool *spool = try_open(false);
		unsigned found = count(spool);
		lost += !found;
		whole += found == KEPT;
		other += found && found != KEPT;
		broken += !works(spool);
		sense_spool_close(spool);
	}
	ok(lost && !other, "%u ends: %u times set aside, %u whole, never a part", lost + whole, lost, whole);
	is_num(broken, 0, "and each time a spool that works");
	free(bytes);
	remove_all(dir);
}

static uint32_t dice(void)
{
	static uint64_t state = 88172645463325252u;
	state ^= state << 13;
	state ^= state >> 7;
	state ^= state << 17;
	return (uint32_t)(state >> 16);
}

/* Garbage of a few bytes or a page anywhere; half of the time in the first pages, where the trees begin. */
static void garbage(void)
{
	size_t len;
	unsigned broken = 0, aside = 0, passed = 0, reopened = 0;
	const char *more = getenv("SENSE_TEST_GARBAGE");
	unsigned rounds = more ? (unsigned)strtoul(more, NULL, 10) : 150;
	make();
	uint8_t *bytes = file_read(store, &len), *bad = malloc(len);
	for (unsigned round = 0; round < rounds; round++) {
		struct sense_spool_stats stats = {0};
		memcpy(bad, bytes, len);
		size_t span = dice() % 4 ? 1 + dice() % 8 : PAGE;
		size_t at = dice() % (dice() % 2 ? 8 * PAGE : len - span);
		for (size_t i = 0; i < span; i++)
			bad[at + i] = round % 3 ? (uint8_t)dice() : 0xff;
		file_write(store, bad, len);
		sense_spool *spool = try_open(false);
		broken += !works(spool);
		if (spool)
			sense_spool_stats(spool, &stats);
		aside += stats.set_aside_now != 0;
		passed += stats.set_aside_now == 0;
		sense_spool_close(spool);
		spool = try_open(false);
		reopened += spool != NULL;
		sense_spool_close(spool);
	}
	is_num(broken, 0, "%u times garbage: %u set aside, %u did not matter or were passed over", rounds,
	       aside, passed);
	is_num(reopened, rounds, "and each spool opens again");
	free(bytes);
	free(bad);
	remove_all(dir);
}

/* ---- records ---------------------------------------------------------------------------------------- */

/* Turns a bit of the sealed record of each finding whose place among all is divisible by three. */
static unsigned tamper(void)
{
	struct sense_store raw = {.max_bytes = MIB};
	struct sense_store_state state;
	uint8_t check[SENSE_SEAL_NAME], record[SENSE_STORE_RECORD_MAX];
	MDB_txn *txn;
	unsigned turned = 0;
	uint64_t sequence = 0;
	size_t len;
	ok(!sense_store_open(&raw, store, false, &state, check), "the store itself");
	for (unsigned i = 0; !sense_store_next(&raw, &sequence, record, &len); i++) {
		uint64_t big = htobe64(sequence);
		MDB_val at = {8, &big}, value = {len, record};
		if (i % 3)
			continue;
		record[i % 2 ? 0 : 5] ^= 1; /* the severity, or the nonce */
		turned += !mdb_txn_begin(raw.env, NULL, 0, &txn) &&
		          !mdb_put(txn, raw.dbi[SENSE_STORE_Q], &at, &value, 0) && !mdb_txn_commit(txn);
	}
	sense_store_close(&raw);
	return turned;
}

static void tampered(void)
{
	struct sense_spool_item item = {0};
	struct sense_spool_stats stats;
	make();
	unsigned turned = tamper(), read = 0;
	sense_spool *spool = try_open(false);
	for (unsigned twice = 0; twice < 2; twice++)
		for (item.sequence = 0; sense_spool_next(spool, item.sequence, &item);)
			read++;
	is_num(read, 2 * (KEPT - turned), "records that were tampered with are passed over, %u of them",
	       turned);
	is_num(sense_spool_commit(spool, &err), SENSE_OK, "commit");
	sense_spool_stats(spool, &stats);
	is_num(stats.undecodable, turned, "each is counted once");
	is_num(stats.findings, KEPT - turned, "and removed");
	is_num(stats.set_aside_now, 0, "the rest stays");
	sense_spool_close(spool);
	spool = try_open(false);
	sense_spool_stats(spool, &stats);
	is_num(stats.undecodable, turned, "the count survives");
	ok(works(spool), "the spool works");
	sense_spool_close(spool);
	remove_all(dir);
}

/* What the file tells without the key. */
static void secret(void)
{
	size_t len;
	make();
	uint8_t *bytes = file_read(store, &len);
	struct sense_finding one = numbered(KEPT, "low", 400);
	ok(!memmem(bytes, len, "test.rule", 9) && !memmem(bytes, len, "xxxxxxxx", 8), "no text of a finding");
	ok(!memmem(bytes, len, one.id + 6, 10), "nor its id");
	free(bytes);
	remove_all(dir);
}

static void growing(void)
{
	struct sense_store raw = {.max_bytes = MIB};
	struct sense_store_state state;
	uint8_t check[SENSE_SEAL_NAME];
	make();
	ok(!sense_store_open(&raw, store, false, &state, check), "a store");
	uint64_t before = raw.map;
	unsigned steps = 0;
	while (sense_store_grow(&raw))
		steps++;
	ok(steps > 1 && raw.map > before && raw.map <= raw.map_max, "its map grows, %u times, up to a bound",
	   steps);
	sense_store_close(&raw);
	sense_spool *spool = try_open(false);
	ok(count(spool) == KEPT && works(spool), "nothing is lost by it");
	sense_spool_close(spool);
	remove_all(dir);
}

int main(void)
{
	if (!mkdtemp(top))
		return 1;
	snprintf(machine, sizeof machine, "%s/machine-id", top);
	file_write(machine, "0123456789abcdef0123456789abcdef\n", 33);
	keys();
	directories();
	files();
	newer();
	cut();
	garbage();
	tampered();
	secret();
	growing();
	remove_all(top);
	return tap_done();
}
