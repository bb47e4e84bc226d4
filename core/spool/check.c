#include "core/spool/check.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "core/platform/platform.h"

#define CPU_S 120u /* a tree that goes round in circles ends sooner, by the count of its entries */

/* What the child tells; in memory that both see. */
struct verdict {
	bool told;
	enum sense_check result;
	char why[200];
};

/* ---- the child -------------------------------------------------------------------------------------- */

static struct verdict *own; /* for LMDB's assertions, which take no context */

__attribute__((noreturn)) static void tell(enum sense_check result, const char *why)
{
	own->result = result;
	snprintf(own->why, sizeof own->why, "%s", why);
	own->told = true;
	_exit(0);
}

__attribute__((noreturn)) static void tell_code(int code)
{
	tell(sense_store_damaged(code) ? SENSE_CHECK_DAMAGED : SENSE_CHECK_FAILED, sense_store_text(code));
}

static void on_assert(MDB_env *env, const char *text)
{
	(void)env;
	tell(SENSE_CHECK_DAMAGED, text);
}

struct tree {
	size_t key, value_min, value_max; /* sizes */
	uint64_t entries, bytes;          /* found */
};

static bool ascends(const uint8_t *before, const MDB_val *key)
{
	return memcmp(before, key->mv_data, key->mv_size) < 0;
}

/* A value can span pages of its own: each is touched. */
static unsigned touch(const MDB_val *value)
{
	const volatile uint8_t *at = value->mv_data;
	unsigned sum = 0;
	for (size_t i = 0; i < value->mv_size; i += 512)
		sum += at[i];
	return value->mv_size ? sum + at[value->mv_size - 1] : sum;
}

static void walk(MDB_txn *txn, MDB_dbi dbi, struct tree *tree)
{
	MDB_cursor *cursor;
	MDB_stat stat;
	MDB_val key, value;
	uint8_t before[SENSE_SEAL_NAME];
	int code = mdb_stat(txn, dbi, &stat);
	code = code ? code : mdb_cursor_open(txn, dbi, &cursor);
	if (code)
		tell_code(code);
	while (!(code = mdb_cursor_get(cursor, &key, &value, MDB_NEXT))) {
		if (key.mv_size != tree->key || value.mv_size < tree->value_min || value.mv_size > tree->value_max)
			tell(SENSE_CHECK_DAMAGED, "an entry has a size that none can have");
		if ((tree->entries && !ascends(before, &key)) || tree->entries == stat.ms_entries)
			tell(SENSE_CHECK_DAMAGED, "entries are out of order");
		touch(&value);
		memcpy(before, key.mv_data, key.mv_size);
		tree->entries++;
		tree->bytes += value.mv_size;
	}
	if (code != MDB_NOTFOUND)
		tell_code(code);
	if (tree->entries != stat.ms_entries)
		tell(SENSE_CHECK_DAMAGED, "entries are missing");
}

/* Pages that LMDB believes to be free: what it would write over. Its tree is dbi 0, ids are pgno_t lists. */
static void walk_free(MDB_env *env, MDB_txn *txn)
{
	MDB_cursor *cursor;
	MDB_val key, value;
	MDB_envinfo info;
	int code = mdb_env_info(env, &info);
	code = code ? code : mdb_cursor_open(txn, 0, &cursor);
	if (code)
		tell_code(code);
	while (!(code = mdb_cursor_get(cursor, &key, &value, MDB_NEXT))) {
		size_t count = 0, page, before = SIZE_MAX;
		if (value.mv_size >= sizeof count)
			memcpy(&count, value.mv_data, sizeof count);
		if (key.mv_size != sizeof count || value.mv_size % sizeof count ||
		    count >= value.mv_size / sizeof count)
			tell(SENSE_CHECK_DAMAGED, "the list of free pages has an odd size");
		for (size_t i = 1; i <= count; i++, before = page) {
			memcpy(&page, (char *)value.mv_data + i * sizeof page, sizeof page);
			if (page < 2 || page > info.me_last_pgno || page >= before)
				tell(SENSE_CHECK_DAMAGED, "the list of free pages is not one");
		}
	}
	if (code != MDB_NOTFOUND)
		tell_code(code);
}

static void walk_all(struct sense_store *store, const struct sense_store_state *state)
{
	struct tree trees[SENSE_STORE_DBIS] = {
	    [SENSE_STORE_Q] = {8, 1, SENSE_STORE_RECORD_MAX, 0, 0},
	    [SENSE_STORE_SEV] = {9, SENSE_SEAL_NAME, SENSE_SEAL_NAME, 0, 0},
	    [SENSE_STORE_IDS] = {SENSE_SEAL_NAME, 8, 8, 0, 0},
	    [SENSE_STORE_RING] = {8, SENSE_SEAL_NAME, SENSE_SEAL_NAME, 0, 0},
	};
	MDB_txn *txn;
	int code = mdb_txn_begin(store->env, NULL, MDB_RDONLY, &txn);
	if (code)
		tell_code(code);
	walk_free(store->env, txn);
	for (unsigned i = 0; i < SENSE_STORE_META; i++)
		walk(txn, store->dbi[i], &trees[i]);
	const struct tree *q = &trees[SENSE_STORE_Q];
	if (q->entries != state->findings || q->bytes != state->bytes ||
	    q->entries != trees[SENSE_STORE_SEV].entries ||
	    q->entries + trees[SENSE_STORE_RING].entries != trees[SENSE_STORE_IDS].entries)
		tell(SENSE_CHECK_DAMAGED, "it does not hold what it counts");
}

/* A map so large can be had: when LMDB then has no memory, it is for what the file says of its size. */
static bool map_possible(uint64_t size)
{
	void *at = mmap(NULL, size, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
	return at != MAP_FAILED && !munmap(at, size);
}

__attribute__((noreturn)) static void child(const char *path, uint64_t max_bytes)
{
	struct sense_store store = {.max_bytes = max_bytes};
	struct sense_store_state state;
	struct stat st;
	uint8_t check[SENSE_SEAL_NAME];
	/* A crash here is an answer: no core, and nothing on stderr. */
	setrlimit(RLIMIT_CORE, &(struct rlimit){0, 0});
	setrlimit(RLIMIT_CPU, &(struct rlimit){CPU_S, CPU_S});
	int null = open("/dev/null", O_WRONLY | O_CLOEXEC);
	if (null >= 0)
		dup2(null, STDERR_FILENO);
	static const int crashes[] = {SIGSEGV, SIGBUS, SIGABRT, SIGFPE, SIGILL, SIGXCPU};
	for (unsigned i = 0; i < sizeof crashes / sizeof *crashes; i++)
		signal(crashes[i], SIG_DFL);
	if (lstat(path, &st))
		tell(SENSE_CHECK_FAILED, strerror(errno));
	if (!S_ISREG(st.st_mode))
		tell(SENSE_CHECK_DAMAGED, "it is not a regular file");
	/* LMDB takes an empty file for a new one; a store is never made under its name (spool.c). */
	if (!st.st_size)
		tell(SENSE_CHECK_DAMAGED, "it is empty");
	int code = sense_store_open(&store, path, true, &state, check);
	if (code == ENOMEM && map_possible(8 * max_bytes))
		code = MDB_CORRUPTED;
	if (code)
		tell_code(code);
	mdb_env_set_assert(store.env, on_assert);
	walk_all(&store, &state);
	tell(SENSE_CHECK_GOOD, "");
}

/* ---- the parent ------------------------------------------------------------------------------------- */

static enum sense_check crashed(int status, char *why, size_t cap)
{
	int sig = WIFSIGNALED(status) ? WTERMSIG(status) : 0;
	switch (sig) {
	case SIGBUS:
		snprintf(why, cap, "the file is shorter than it says");
		return SENSE_CHECK_DAMAGED;
	case SIGSEGV:
	case SIGABRT:
	case SIGFPE:
	case SIGILL:
	case SIGXCPU:
		snprintf(why, cap, "reading it ends by %s", strsignal(sig));
		return SENSE_CHECK_DAMAGED;
	default:
		snprintf(why, cap, "the process that looked at it %s", sig ? "was killed" : "ended early");
		return SENSE_CHECK_FAILED;
	}
}

enum sense_check sense_check_store(const char *path, uint64_t max_bytes, char *why, size_t cap)
{
	int status = 0;
	enum sense_check result = SENSE_CHECK_FAILED;
	struct verdict *verdict =
	    mmap(NULL, sizeof *verdict, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	if (verdict == MAP_FAILED) {
		snprintf(why, cap, "%s", strerror(errno));
		return result;
	}
	pid_t parent = getpid(), pid = fork(), ended = -1;
	if (!pid) {
		own = verdict;
		sense_platform_end_with_parent();
		if (getppid() != parent)
			_exit(1);
		child(path, max_bytes);
	}
	while (pid > 0 && (ended = waitpid(pid, &status, 0)) < 0 && errno == EINTR)
		;
	if (pid < 0 || ended < 0)
		snprintf(why, cap, "%s", strerror(errno));
	else if (!verdict->told)
		result = crashed(status, why, cap);
	else
		snprintf(why, cap, "%.*s", (int)sizeof verdict->why, verdict->why);
	if (pid > 0 && ended > 0 && verdict->told)
		result = verdict->result;
	munmap(verdict, sizeof *verdict);
	return result;
}
