#include "core/spool/store.h"

#include <endian.h>
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <unistd.h>

#include "core/platform/platform.h"

#define KIB 1024ull
#define MIB (KIB * KIB)
#define RESERVE (512 * KIB)  /* on the disk, for removing */
#define ALLOCATE (1 * MIB)   /* more than is needed, so that not each commit asks */
#define MAP_SLACK (64 * MIB) /* the ring, the trees, the pages that a transaction copies */

_Static_assert(sizeof(size_t) == 8, "a spool's map is larger than the addresses of 32 bits");

static const char *const dbi_names[SENSE_STORE_DBIS] = {
    [SENSE_STORE_Q] = "q",       [SENSE_STORE_SEV] = "sev",   [SENSE_STORE_IDS] = "ids",
    [SENSE_STORE_RING] = "ring", [SENSE_STORE_META] = "meta",
};

int sense_store_dbi(const char *name, size_t len)
{
	for (int i = 0; i < SENSE_STORE_DBIS; i++)
		if (strlen(dbi_names[i]) == len && !memcmp(dbi_names[i], name, len))
			return i;
	return -1;
}

/* The state comes last: core/spool/check.c looks for it there. */
struct meta {
	uint32_t version;
	uint32_t state_size;
	uint8_t check[SENSE_SEAL_NAME];
	struct sense_store_state state;
};

struct sev_key {
	uint8_t severity;
	uint8_t sequence[8];
};

static char state_key[] = "state";

#define VAL(object) ((MDB_val){sizeof(object), (void *)(uintptr_t) & (object)})

static uint64_t sequence_of(const MDB_val *val)
{
	uint64_t big;
	memcpy(&big, val->mv_data, sizeof big);
	return be64toh(big);
}

static struct sev_key sev_key_of(uint8_t severity, uint64_t sequence)
{
	struct sev_key key = {.severity = severity};
	sequence = htobe64(sequence);
	memcpy(key.sequence, &sequence, sizeof sequence);
	return key;
}

const char *sense_store_text(int code)
{
	return mdb_strerror(code);
}

bool sense_store_damaged(int code)
{
	switch (code) {
	case MDB_CORRUPTED:
	case MDB_PAGE_NOTFOUND:
	case MDB_INVALID:
	case MDB_VERSION_MISMATCH:
	case MDB_CURSOR_FULL:
	case MDB_NOTFOUND:
	case MDB_KEYEXIST:
	case MDB_INCOMPATIBLE:
	case MDB_BAD_VALSIZE:
	case MDB_BAD_DBI:
		return true;
	default:
		return false;
	}
}

/* ---- open and make ---------------------------------------------------------------------------------- */

static int meta_read(MDB_txn *txn, MDB_dbi dbi, struct meta *meta)
{
	MDB_val key = {sizeof state_key - 1, state_key}, value;
	int code = mdb_get(txn, dbi, &key, &value);
	if (code)
		return code;
	if (value.mv_size != sizeof *meta)
		return MDB_VERSION_MISMATCH;
	memcpy(meta, value.mv_data, sizeof *meta);
	bool ours = meta->version == SENSE_STORE_VERSION && meta->state_size == sizeof meta->state;
	return ours ? 0 : MDB_VERSION_MISMATCH;
}

static int meta_write(MDB_txn *txn, MDB_dbi dbi, const struct meta *meta)
{
	MDB_val key = {sizeof state_key - 1, state_key}, value = VAL(*meta);
	return mdb_put(txn, dbi, &key, &value, 0);
}

static int env_open(struct sense_store *store, const char *path, unsigned flags)
{
	int fd;
	int code = mdb_env_create(&store->env);
	if (code)
		return code;
	code = mdb_env_set_maxdbs(store->env, SENSE_STORE_DBIS);
	code = code ? code : mdb_env_set_mapsize(store->env, store->map);
	code =
	    code ? code : mdb_env_open(store->env, path, MDB_NOSUBDIR | MDB_NOLOCK | MDB_NOTLS | flags, 0600);
	code = code ? code : mdb_env_get_fd(store->env, &fd);
	if (!code)
		fcntl(fd, F_SETFD, FD_CLOEXEC);
	return code;
}

static int dbis_open(struct sense_store *store, MDB_txn *txn, unsigned flags)
{
	int code = 0;
	for (unsigned i = 0; !code && i < SENSE_STORE_DBIS; i++)
		code = mdb_dbi_open(txn, dbi_names[i], flags, &store->dbi[i]);
	return code;
}

/*
 * How large the file may grow. Records fill pages by half at least, or what lies in them was removed and then
 * it is a quarter (LMDB joins emptier ones); half of the smallest record's room is keys. So eight times is
 * enough whatever is added and removed, and two is what is normal. It is address space until it is used.
 */
static void map_plan(struct sense_store *store)
{
	store->map = 2 * store->max_bytes + MAP_SLACK;
	store->map_max = 8 * store->max_bytes + MAP_SLACK;
}

bool sense_store_grow(struct sense_store *store)
{
	uint64_t larger = store->map + store->max_bytes / 2 + MIB;
	if (larger > store->map_max || mdb_env_set_mapsize(store->env, larger))
		return false;
	store->map = larger;
	return true;
}

int sense_store_open(struct sense_store *store, const char *path, bool read_only,
                     struct sense_store_state *state, uint8_t check[SENSE_SEAL_NAME])
{
	MDB_txn *txn = NULL;
	struct meta meta;
	map_plan(store);
	store->allocated = 0;
	int code = env_open(store, path, read_only ? MDB_RDONLY : 0);
	code = code ? code : mdb_txn_begin(store->env, NULL, MDB_RDONLY, &txn);
	code = code ? code : dbis_open(store, txn, 0);
	code = code ? code : meta_read(txn, store->dbi[SENSE_STORE_META], &meta);
	if (code) {
		if (txn)
			mdb_txn_abort(txn);
		sense_store_close(store);
		return code;
	}
	mdb_txn_commit(txn); /* keeps the handles */
	*state = meta.state;
	memcpy(check, meta.check, SENSE_SEAL_NAME);
	return 0;
}

void sense_store_close(struct sense_store *store)
{
	if (store->env)
		mdb_env_close(store->env);
	store->env = NULL;
}

int sense_store_make(const char *path, const struct sense_store_state *state,
                     const uint8_t check[SENSE_SEAL_NAME])
{
	struct sense_store store = {.map = MAP_SLACK};
	struct meta meta = {.version = SENSE_STORE_VERSION, .state_size = sizeof meta.state, .state = *state};
	MDB_txn *txn = NULL;
	memcpy(meta.check, check, SENSE_SEAL_NAME);
	int code = env_open(&store, path, 0);
	code = code ? code : mdb_txn_begin(store.env, NULL, 0, &txn);
	code = code ? code : dbis_open(&store, txn, MDB_CREATE);
	code = code ? code : meta_write(txn, store.dbi[SENSE_STORE_META], &meta);
	if (code && txn)
		mdb_txn_abort(txn);
	else if (!code)
		code = mdb_txn_commit(txn);
	sense_store_close(&store);
	return code;
}

/* ---- reading ---------------------------------------------------------------------------------------- */

bool sense_store_knows(const struct sense_store *store, const uint8_t name[SENSE_SEAL_NAME])
{
	MDB_txn *txn;
	MDB_val key = {SENSE_SEAL_NAME, (void *)(uintptr_t)name}, value;
	if (!store->env || mdb_txn_begin(store->env, NULL, MDB_RDONLY, &txn))
		return false;
	int code = mdb_get(txn, store->dbi[SENSE_STORE_IDS], &key, &value);
	mdb_txn_abort(txn);
	return !code;
}

int sense_store_next(const struct sense_store *store, uint64_t *sequence, uint8_t *out, size_t *len)
{
	MDB_txn *txn;
	MDB_cursor *cursor = NULL;
	if (*sequence == UINT64_MAX)
		return MDB_NOTFOUND;
	uint64_t from = htobe64(*sequence + 1);
	MDB_val key = VAL(from), value;
	int code = mdb_txn_begin(store->env, NULL, MDB_RDONLY, &txn);
	if (code)
		return code;
	code = mdb_cursor_open(txn, store->dbi[SENSE_STORE_Q], &cursor);
	code = code ? code : mdb_cursor_get(cursor, &key, &value, MDB_SET_RANGE);
	if (!code && (key.mv_size != 8 || value.mv_size > SENSE_STORE_RECORD_MAX))
		code = MDB_CORRUPTED;
	if (!code) {
		*sequence = sequence_of(&key);
		*len = value.mv_size;
		memcpy(out, value.mv_data, value.mv_size);
	}
	if (cursor)
		mdb_cursor_close(cursor);
	mdb_txn_abort(txn);
	return code;
}

/* ---- writing ---------------------------------------------------------------------------------------- */

int sense_store_begin(struct sense_store *store, const struct sense_store_state *state,
                      struct sense_store_change *change)
{
	*change = (struct sense_store_change){.store = store, .state = *state};
	return mdb_txn_begin(store->env, NULL, 0, &change->txn);
}

void sense_store_abandon(struct sense_store_change *change)
{
	if (change->txn)
		mdb_txn_abort(change->txn);
	change->txn = NULL;
}

int sense_store_commit(struct sense_store_change *change)
{
	struct meta meta;
	MDB_dbi dbi = change->store->dbi[SENSE_STORE_META];
	int code = meta_read(change->txn, dbi, &meta);
	meta.state = change->state;
	code = code ? code : meta_write(change->txn, dbi, &meta);
	if (code)
		mdb_txn_abort(change->txn);
	else
		code = mdb_txn_commit(change->txn);
	change->txn = NULL;
	return code;
}

/*
 * Pages within the file that a transaction may use: tree 0 lists them by the transaction that freed them, a
 * count and so many numbers each. Those of the latest one belong to the tree that a power failure leads back
 * to.
 */
static uint64_t pages_free(MDB_env *env, uint64_t own)
{
	MDB_txn *txn; /* only a reader may look at tree 0 */
	MDB_cursor *cursor;
	MDB_val key, value;
	uint64_t all = 0, count, freed;
	if (mdb_txn_begin(env, NULL, MDB_RDONLY, &txn))
		return 0;
	if (mdb_cursor_open(txn, 0, &cursor))
		goto out;
	while (!mdb_cursor_get(cursor, &key, &value, MDB_NEXT)) {
		memcpy(&freed, key.mv_data, sizeof freed);
		memcpy(&count, value.mv_data, sizeof count);
		all += freed + 1 < own ? count : 0;
	}
	mdb_cursor_close(cursor);
out:
	mdb_txn_abort(txn);
	return all;
}

int sense_store_room(struct sense_store_change *change, uint64_t bytes)
{
	struct sense_store *store = change->store;
	MDB_envinfo info;
	MDB_stat stat;
	int fd;
	if (store->allocated == UINT64_MAX || mdb_env_get_fd(store->env, &fd) ||
	    mdb_env_info(store->env, &info) || mdb_env_stat(store->env, &stat))
		return 0;
	/* Records leave up to half of a page empty, and pages of the trees are copied. */
	uint64_t more = 2 * bytes + 64 * stat.ms_psize + RESERVE;
	uint64_t end = (info.me_last_pgno + 1) * stat.ms_psize + more;
	if (end <= store->allocated)
		return 0;
	int code = sense_platform_allocate(fd, end + ALLOCATE) ? 0 : errno;
	if (!code)
		store->allocated = end + ALLOCATE;
	else if (code == EOPNOTSUPP || code == ENOSYS)
		store->allocated = UINT64_MAX;
	else if (pages_free(store->env, mdb_txn_id(change->txn)) * stat.ms_psize < more)
		return code;
	return 0;
}

/* The first entry of a tree, its key copied. */
static int first(const struct sense_store_change *change, unsigned dbi, void *key_out, size_t key_size,
                 MDB_val *value)
{
	MDB_cursor *cursor;
	MDB_val key;
	int code = mdb_cursor_open(change->txn, change->store->dbi[dbi], &cursor);
	if (code)
		return code;
	code = mdb_cursor_get(cursor, &key, value, MDB_FIRST);
	if (!code && key.mv_size != key_size)
		code = MDB_CORRUPTED;
	if (!code)
		memcpy(key_out, key.mv_data, key_size);
	mdb_cursor_close(cursor);
	return code;
}

/* The id of a record that was acknowledged stays known until that of another needs its place. */
static int remember(struct sense_store_change *change, uint64_t sequence, uint8_t name[SENSE_SEAL_NAME])
{
	struct sense_store *store = change->store;
	uint64_t big = htobe64(sequence);
	MDB_val key = VAL(big), value = {SENSE_SEAL_NAME, name};
	MDB_stat stat;
	int code = mdb_put(change->txn, store->dbi[SENSE_STORE_RING], &key, &value, MDB_APPEND);
	code = code ? code : mdb_stat(change->txn, store->dbi[SENSE_STORE_RING], &stat);
	while (!code && stat.ms_entries-- > store->remembered) {
		uint8_t oldest[SENSE_SEAL_NAME];
		code = first(change, SENSE_STORE_RING, &big, sizeof big, &value);
		if (!code && value.mv_size != SENSE_SEAL_NAME)
			code = MDB_CORRUPTED;
		if (code)
			break;
		memcpy(oldest, value.mv_data, sizeof oldest);
		value = VAL(oldest);
		code = mdb_del(change->txn, store->dbi[SENSE_STORE_RING], &key, NULL);
		code = code ? code : mdb_del(change->txn, store->dbi[SENSE_STORE_IDS], &value, NULL);
	}
	return code;
}

/* The entry of a record in sev. Its severity is in q too, but there a bit may have turned. */
static int sev_find(const struct sense_store_change *change, uint64_t sequence, struct sev_key *sev,
                    MDB_val *name)
{
	MDB_val key = {sizeof *sev, sev};
	int code = MDB_NOTFOUND;
	for (uint8_t severity = 0; code == MDB_NOTFOUND && severity < SENSE_STORE_SEVERITIES; severity++) {
		*sev = sev_key_of(severity, sequence);
		code = mdb_get(change->txn, change->store->dbi[SENSE_STORE_SEV], &key, name);
	}
	return !code && name->mv_size != SENSE_SEAL_NAME ? MDB_CORRUPTED : code;
}

/* Takes a record out of q and sev; its id goes too, or is remembered. */
static int take_out(struct sense_store_change *change, uint64_t sequence, bool remembered, uint8_t *severity)
{
	struct sense_store *store = change->store;
	uint8_t name[SENSE_SEAL_NAME];
	struct sev_key sev;
	uint64_t big = htobe64(sequence);
	MDB_val key = VAL(big), sev_val = VAL(sev), name_key = VAL(name), value;
	int code = mdb_get(change->txn, store->dbi[SENSE_STORE_Q], &key, &value);
	if (code)
		return code;
	change->state.bytes -= value.mv_size;
	change->state.findings--;
	code = sev_find(change, sequence, &sev, &value);
	if (code)
		return code;
	*severity = sev.severity;
	memcpy(name, value.mv_data, sizeof name);
	code = mdb_del(change->txn, store->dbi[SENSE_STORE_Q], &key, NULL);
	code = code ? code : mdb_del(change->txn, store->dbi[SENSE_STORE_SEV], &sev_val, NULL);
	if (code || !remembered)
		return code ? code : mdb_del(change->txn, store->dbi[SENSE_STORE_IDS], &name_key, NULL);
	return remember(change, sequence, name);
}

/* MDB_NOTFOUND: the lowest that is kept is above `highest`. */
static int drop_one(struct sense_store_change *change, uint8_t highest)
{
	struct sev_key lowest;
	MDB_val value;
	uint8_t severity;
	uint64_t big;
	int code = first(change, SENSE_STORE_SEV, &lowest, sizeof lowest, &value);
	if (code)
		return code == MDB_NOTFOUND ? MDB_CORRUPTED : code; /* bytes are counted that nothing has */
	if (lowest.severity > highest)
		return MDB_NOTFOUND;
	memcpy(&big, lowest.sequence, sizeof big);
	code = take_out(change, be64toh(big), false, &severity);
	if (!code)
		change->state.dropped[severity]++;
	return code == MDB_NOTFOUND ? MDB_CORRUPTED : code;
}

int sense_store_add(struct sense_store_change *change, const struct sense_store_record *record)
{
	struct sense_store *store = change->store;
	uint64_t big = htobe64(record->sequence);
	struct sev_key sev = sev_key_of(record->severity, record->sequence);
	MDB_val key = VAL(big), sev_val = VAL(sev), value;
	MDB_val name = {SENSE_SEAL_NAME, (void *)(uintptr_t)record->name};
	int code = mdb_get(change->txn, store->dbi[SENSE_STORE_IDS], &name, &value);
	if (!code) { /* it could not be looked up when it came */
		change->state.known++;
		return 0;
	}
	code = code == MDB_NOTFOUND ? 0 : code;
	while (!code && change->state.bytes + record->len + 1 > store->max_bytes)
		code = drop_one(change, record->severity);
	if (code == MDB_NOTFOUND) {
		change->state.dropped[record->severity]++;
		return 0;
	}
	value = (MDB_val){record->len + 1, NULL};
	code = code ? code
	            : mdb_put(change->txn, store->dbi[SENSE_STORE_Q], &key, &value, MDB_RESERVE | MDB_APPEND);
	if (code)
		return code;
	*(uint8_t *)value.mv_data = record->severity;
	memcpy((uint8_t *)value.mv_data + 1, record->sealed, record->len);
	code = mdb_put(change->txn, store->dbi[SENSE_STORE_SEV], &sev_val, &name, MDB_NOOVERWRITE);
	code = code ? code : mdb_put(change->txn, store->dbi[SENSE_STORE_IDS], &name, &key, MDB_NOOVERWRITE);
	change->state.bytes += record->len + 1;
	change->state.findings++;
	return code;
}

int sense_store_acknowledge(struct sense_store_change *change, uint64_t up_to, unsigned most, bool *more)
{
	uint64_t big;
	uint8_t severity;
	MDB_val value;
	int code = 0;
	*more = false;
	for (unsigned i = 0; i < most; i++) {
		code = first(change, SENSE_STORE_Q, &big, sizeof big, &value);
		if (code || be64toh(big) > up_to)
			return code == MDB_NOTFOUND ? 0 : code;
		code = take_out(change, be64toh(big), true, &severity);
		if (code)
			return code;
		change->state.acknowledged++;
	}
	*more = true;
	return 0;
}

int sense_store_condemn(struct sense_store_change *change, uint64_t sequence)
{
	uint8_t severity;
	uint64_t big = htobe64(sequence);
	MDB_val key = VAL(big), value;
	int code = mdb_get(change->txn, change->store->dbi[SENSE_STORE_Q], &key, &value);
	if (code)
		return code == MDB_NOTFOUND ? 0 : code;
	code = take_out(change, sequence, false, &severity);
	if (!code)
		change->state.undecodable++;
	return code;
}

int sense_store_trim(struct sense_store_change *change, unsigned most, bool *more)
{
	int code = 0;
	for (unsigned i = 0; !code && i < most && change->state.bytes > change->store->max_bytes; i++)
		code = drop_one(change, SENSE_STORE_SEVERITIES);
	*more = change->state.bytes > change->store->max_bytes;
	return code;
}
