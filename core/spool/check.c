#include "core/spool/check.h"

#include <errno.h>
#include <fcntl.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "core/spool/store.h"

/* ---- the format ------------------------------------------------------------------------------------- */

enum {
	PAGE_HEAD = 16,
	PAGE_MAX = 32768,
	NODE_HEAD = 8,
	DEPTH_MAX = 32,
	BRANCH = 1,
	LEAF = 2,
	OVERFLOW = 4,
	META = 8,
	BIG_DATA = 1,
	SUB_DATA = 2,
	INTEGER_KEYS = 8,
	FIRST_PAGE = 2 /* behind the heads */
};
#define MAGIC 0xBEEFC0DEu
#define DATA_VERSION 1u
#define NO_PAGE UINT64_MAX
#define PAGES_MAX ((uint64_t)1 << 28) /* a TiB of the usual pages: eight times the largest spool and more */
#define NO_SUBDIR 0x4000u

struct page {
	uint64_t number;
	uint16_t pad, flags;
	uint16_t lower, upper; /* of large values: their pages, u32 */
};

struct node {
	uint16_t low, high; /* size of the value; or of the child's page number the lower bits */
	uint16_t flags;     /* ... and the upper ones */
	uint16_t key_len;
};

struct db {
	uint32_t pad; /* of the free tree: the page size */
	uint16_t flags, depth;
	uint64_t branches, leaves, overflows, entries, root;
};

struct head {
	uint32_t magic, version;
	uint64_t address, map_size;
	struct db free, names;
	uint64_t last_page, txn;
};

_Static_assert(sizeof(struct page) == PAGE_HEAD && sizeof(struct node) == NODE_HEAD &&
                   sizeof(struct db) == 48 && sizeof(struct head) == 136,
               "as LMDB has them");

/* ---- reading ---------------------------------------------------------------------------------------- */

struct level {
	uint8_t page[PAGE_MAX];
	unsigned at, count; /* nodes */
	bool leaf;
};

struct entry {
	const uint8_t *key;
	size_t key_len;
	uint16_t flags;
	const uint8_t *value; /* when it lies in the page, else NULL */
	size_t len;
	uint64_t big; /* first page of the value; 0: none */
};

struct check {
	int fd;
	uint64_t size;
	size_t page_size;
	struct head head;
	uint8_t *seen; /* a bit for each page */
	struct level *levels;
	uint8_t *node_bytes; /* which bytes of a page belong to a node */
	enum sense_check result;
	char *why;
	size_t cap;
};

__attribute__((format(printf, 3, 4))) static bool bad(struct check *check, enum sense_check result,
                                                      const char *fmt, ...)
{
	va_list args;
	va_start(args, fmt);
	vsnprintf(check->why, check->cap, fmt, args);
	va_end(args);
	check->result = result;
	return false;
}

static bool damaged(struct check *check, const char *what)
{
	return bad(check, SENSE_CHECK_DAMAGED, "%s", what);
}

static bool read_at(struct check *check, uint64_t offset, void *out, size_t len)
{
	if (offset > check->size || len > check->size - offset)
		return damaged(check, "the file is shorter than it says");
	for (size_t have = 0; have < len;) {
		ssize_t got = pread(check->fd, (char *)out + have, len - have, (off_t)(offset + have));
		if (got < 0 && errno == EINTR)
			continue;
		if (got < 0)
			return bad(check, SENSE_CHECK_FAILED, "%s", strerror(errno));
		if (!got)
			return damaged(check, "the file shrinks");
		have += (size_t)got;
	}
	return true;
}

static bool take_pages(struct check *check, uint64_t first, uint64_t count)
{
	uint64_t last = check->head.last_page;
	if (first < FIRST_PAGE || first > last || count > last - first + 1)
		return damaged(check, "a page lies outside the file");
	for (uint64_t page = first; page < first + count; page++) {
		if (check->seen[page / 8] & 1u << page % 8)
			return damaged(check, "a page is used twice");
		check->seen[page / 8] |= (uint8_t)(1u << page % 8);
	}
	return true;
}

/* ---- pages and nodes -------------------------------------------------------------------------------- */

static struct node node_at(const struct level *level, unsigned i, size_t *at)
{
	uint16_t offset;
	struct node node;
	memcpy(&offset, level->page + PAGE_HEAD + 2 * i, sizeof offset);
	memcpy(&node, level->page + offset, sizeof node);
	*at = offset;
	return node;
}

static size_t node_size(const struct node *node, bool leaf)
{
	size_t len = leaf ? node->low | (size_t)node->high << 16 : 0;
	return NODE_HEAD + node->key_len + (leaf && node->flags & BIG_DATA ? sizeof(uint64_t) : len);
}

/* All nodes lie in the page, one behind the other in any order, and fill it from `upper` to its end. */
static bool nodes_fit(struct check *check, const struct level *level, const struct page *page)
{
	size_t total = 0, most = (((check->page_size - PAGE_HEAD) / 2) & ~(size_t)1) - 2;
	memset(check->node_bytes, 0, check->page_size);
	for (unsigned i = 0; i < level->count; i++) {
		uint16_t at;
		struct node node;
		memcpy(&at, level->page + PAGE_HEAD + 2 * i, sizeof at);
		if (at % 2 || at < page->upper || at > check->page_size - NODE_HEAD)
			return damaged(check, "a node lies outside its page");
		memcpy(&node, level->page + at, sizeof node);
		size_t size = node_size(&node, level->leaf), even = (size + 1) & ~(size_t)1;
		if (size > most || even > check->page_size - at)
			return damaged(check, "a node is larger than its page");
		if (memchr(check->node_bytes + at, 1, even))
			return damaged(check, "nodes overlap");
		memset(check->node_bytes + at, 1, even);
		total += even;
	}
	return total == check->page_size - page->upper || damaged(check, "a page has gaps");
}

/* Reads a page of a tree to a level. */
static bool page_load(struct check *check, uint64_t number, struct level *level)
{
	struct page page;
	if (!take_pages(check, number, 1) ||
	    !read_at(check, number * check->page_size, level->page, check->page_size))
		return false;
	memcpy(&page, level->page, sizeof page);
	if (page.number != number || (page.flags != BRANCH && page.flags != LEAF))
		return damaged(check, "a page is not what it should be");
	if (page.lower < PAGE_HEAD || page.lower % 2 || page.upper < page.lower ||
	    page.upper > check->page_size)
		return damaged(check, "a page has no sound head");
	level->leaf = page.flags == LEAF;
	level->at = 0;
	level->count = (page.lower - PAGE_HEAD) / 2u;
	if (!level->count)
		return damaged(check, "a page is empty");
	return nodes_fit(check, level, &page);
}

/* ---- a tree ----------------------------------------------------------------------------------------- */

struct tree {
	const struct db *db;
	bool (*entry)(struct check *check, void *self, const struct entry *entry);
	void *self;
	size_t key_len; /* 0: any */
	bool integers;
	struct db found;    /* what there is */
	uint8_t before[64]; /* the latest key, or separator of branches */
	size_t before_len;
	bool any, separator;
};

static int keys_compare(const struct tree *tree, const uint8_t *key, size_t len)
{
	uint64_t a, b;
	size_t less = len < tree->before_len ? len : tree->before_len;
	if (tree->integers && len == sizeof a && tree->before_len == sizeof b) {
		memcpy(&a, key, sizeof a);
		memcpy(&b, tree->before, sizeof b);
		return (a > b) - (a < b);
	}
	int order = memcmp(key, tree->before, less);
	return order ? order : (len > tree->before_len) - (len < tree->before_len);
}

/* A key may equal the separator before it, and must be above the key before it. */
static bool key_next(struct check *check, struct tree *tree, const uint8_t *key, size_t len, bool separator)
{
	if (!len || len > sizeof tree->before || (tree->key_len && len != tree->key_len))
		return damaged(check, "a key has a size that none can have");
	int order = tree->any ? keys_compare(tree, key, len) : 1;
	if (order < 0 || (!order && (!tree->separator || separator)))
		return damaged(check, "keys are out of order");
	memcpy(tree->before, key, len);
	tree->before_len = len;
	tree->any = true;
	tree->separator = separator;
	return true;
}

static bool big_take(struct check *check, struct tree *tree, const struct entry *entry)
{
	struct page page;
	uint32_t pages;
	if (!read_at(check, entry->big * check->page_size, &page, sizeof page))
		return false;
	memcpy(&pages, &page.lower, sizeof pages);
	uint64_t needed = (PAGE_HEAD - 1 + entry->len) / check->page_size + 1;
	if (page.number != entry->big || page.flags != OVERFLOW || pages < needed)
		return damaged(check, "a large value is not where it should be");
	tree->found.overflows += pages;
	if ((entry->big + pages) * check->page_size > check->size)
		return damaged(check, "the file is shorter than it says");
	return take_pages(check, entry->big, pages);
}

static bool leaf_entry(struct check *check, struct tree *tree, struct level *level)
{
	size_t at;
	struct node node = node_at(level, level->at++, &at);
	struct entry entry = {
	    .key = level->page + at + NODE_HEAD,
	    .key_len = node.key_len,
	    .flags = node.flags,
	    .value = level->page + at + NODE_HEAD + node.key_len,
	    .len = node.low | (size_t)node.high << 16,
	};
	if (!key_next(check, tree, entry.key, entry.key_len, false))
		return false;
	tree->found.entries++;
	if (node.flags == BIG_DATA) {
		memcpy(&entry.big, entry.value, sizeof entry.big);
		entry.value = NULL;
		if (entry.big > check->head.last_page || !entry.big)
			return damaged(check, "a page lies outside the file");
		if (!big_take(check, tree, &entry))
			return false;
	}
	return tree->entry(check, tree->self, &entry);
}

/* The child that comes next; its separator bounds the keys on both sides. The first has none. */
static bool branch_child(struct check *check, struct tree *tree, struct level *level, uint64_t *child)
{
	size_t at;
	bool first = !level->at;
	struct node node = node_at(level, level->at++, &at);
	*child = node.low | (uint64_t)node.high << 16 | (uint64_t)node.flags << 32;
	return first || key_next(check, tree, level->page + at + NODE_HEAD, node.key_len, true);
}

static bool page_count(struct check *check, struct tree *tree, const struct level *level, unsigned depth)
{
	bool leaf = level->leaf;
	if (leaf != (depth + 1 == tree->db->depth))
		return damaged(check, "a tree is not as deep as it says");
	/* Of one child LMDB makes no branch, except while it rearranges the free tree. */
	if (!leaf && level->count < 2 && !tree->integers)
		return damaged(check, "a branch has one child");
	tree->found.leaves += leaf;
	tree->found.branches += !leaf;
	return true;
}

static bool level_open(struct check *check, struct tree *tree, uint64_t page, unsigned depth)
{
	if (depth >= tree->db->depth)
		return damaged(check, "a tree is deeper than it says");
	struct level *level = &check->levels[depth];
	return page_load(check, page, level) && page_count(check, tree, level, depth);
}

static bool tree_walk(struct check *check, struct tree *tree)
{
	const struct db *db = tree->db;
	struct db *found = &tree->found;
	uint64_t next = db->root;
	if (db->depth > DEPTH_MAX || !db->depth != (next == NO_PAGE))
		return damaged(check, "a tree has no sound root");
	for (unsigned open = 0; next != NO_PAGE || open;) {
		if (next != NO_PAGE && !level_open(check, tree, next, open++))
			return false;
		next = NO_PAGE;
		struct level *level = &check->levels[open - 1];
		if (level->at == level->count)
			open--;
		else if (!(level->leaf ? leaf_entry(check, tree, level)
		                       : branch_child(check, tree, level, &next)))
			return false;
	}
	if (found->branches != db->branches || found->leaves != db->leaves ||
	    found->overflows != db->overflows || found->entries != db->entries)
		return damaged(check, "a tree does not hold what it counts");
	return true;
}

/* ---- what the trees of a spool hold ----------------------------------------------------------------- */

/* Pages that LMDB would write over: a count and so many numbers, descending, under a transaction's number. */
static bool free_entry(struct check *check, void *self, const struct entry *entry)
{
	uint64_t count, page, txn;
	bool good = false;
	(void)self;
	memcpy(&txn, entry->key, sizeof txn);
	if (entry->len < sizeof count || entry->len % sizeof count || entry->flags & ~BIG_DATA ||
	    txn > check->head.txn)
		return damaged(check, "the list of free pages has an odd size");
	uint8_t *value = malloc(entry->len);
	if (!value)
		return bad(check, SENSE_CHECK_FAILED, "no memory for the list of free pages");
	if (entry->value)
		memcpy(value, entry->value, entry->len);
	else if (!read_at(check, entry->big * check->page_size + PAGE_HEAD, value, entry->len))
		goto out;
	memcpy(&count, value, sizeof count);
	if (count >= entry->len / sizeof count) {
		damaged(check, "the list of free pages is longer than its place");
		goto out;
	}
	uint64_t before = NO_PAGE;
	for (uint64_t i = 1; i <= count; i++, before = page) {
		memcpy(&page, value + i * sizeof page, sizeof page);
		if (page >= before) {
			damaged(check, "the list of free pages is out of order");
			goto out;
		}
		if (!take_pages(check, page, 1))
			goto out;
	}
	good = true;
out:
	free(value);
	return good;
}

struct values {
	size_t least, most;
	uint64_t bytes;
	struct sense_store_state *state; /* of meta */
};

static bool value_entry(struct check *check, void *self, const struct entry *entry)
{
	struct values *values = self;
	if (entry->len < values->least || entry->len > values->most || entry->flags & ~BIG_DATA)
		return damaged(check, "a value has a size that none can have");
	values->bytes += entry->len;
	if (values->state && entry->value)
		memcpy(values->state, entry->value + entry->len - sizeof *values->state,
		       sizeof *values->state);
	return true;
}

struct names {
	struct db dbs[SENSE_STORE_DBIS];
	bool have[SENSE_STORE_DBIS];
};

static bool name_entry(struct check *check, void *self, const struct entry *entry)
{
	struct names *names = self;
	int which = sense_store_dbi((const char *)entry->key, entry->key_len);
	if (which < 0 || entry->flags != SUB_DATA || entry->len != sizeof(struct db))
		return damaged(check, "there is a tree that no spool has");
	memcpy(&names->dbs[which], entry->value, sizeof(struct db));
	names->have[which] = true;
	return !names->dbs[which].flags || damaged(check, "a tree is of a kind that no spool has");
}

static bool trees_check(struct check *check)
{
	struct sense_store_state state = {0};
	struct names names = {.have = {false}};
	const size_t name = SENSE_SEAL_NAME;
	struct values values[SENSE_STORE_DBIS] = {[SENSE_STORE_Q] = {1, SENSE_STORE_RECORD_MAX, 0, NULL},
	                                          [SENSE_STORE_SEV] = {name, name, 0, NULL},
	                                          [SENSE_STORE_IDS] = {8, 8, 0, NULL},
	                                          [SENSE_STORE_RING] = {name, name, 0, NULL},
	                                          [SENSE_STORE_META] = {sizeof state, 1024, 0, &state}};
	static const size_t key_lens[] = {[SENSE_STORE_Q] = 8,
	                                  [SENSE_STORE_SEV] = 9,
	                                  [SENSE_STORE_IDS] = SENSE_SEAL_NAME,
	                                  [SENSE_STORE_RING] = 8,
	                                  [SENSE_STORE_META] = 0};
	struct tree free_tree = {
	    .db = &check->head.free, .entry = free_entry, .key_len = 8, .integers = true};
	struct tree names_tree = {.db = &check->head.names, .entry = name_entry, .self = &names};
	if (!tree_walk(check, &free_tree) || !tree_walk(check, &names_tree))
		return false;
	for (unsigned i = 0; i < SENSE_STORE_DBIS; i++) {
		struct tree tree = {
		    .db = &names.dbs[i], .entry = value_entry, .self = &values[i], .key_len = key_lens[i]};
		if (!names.have[i])
			return damaged(check, "a tree is missing");
		if (!tree_walk(check, &tree))
			return false;
	}
	const struct db *dbs = names.dbs;
	bool agrees = dbs[SENSE_STORE_META].entries == 1 && dbs[SENSE_STORE_Q].entries == state.findings &&
	              values[SENSE_STORE_Q].bytes == state.bytes &&
	              dbs[SENSE_STORE_SEV].entries == state.findings &&
	              dbs[SENSE_STORE_IDS].entries == state.findings + dbs[SENSE_STORE_RING].entries;
	return agrees || damaged(check, "it does not hold what it counts");
}

/* ---- the file --------------------------------------------------------------------------------------- */

static bool head_read(struct check *check, uint64_t offset, struct head *head)
{
	struct page page = {0};
	if (!read_at(check, offset, &page, sizeof page) ||
	    !read_at(check, offset + sizeof page, head, sizeof *head))
		return false;
	if (!(page.flags & META) || head->magic != MAGIC)
		return damaged(check, "it is not an LMDB file");
	if (head->version != DATA_VERSION)
		return damaged(check, "it is of another version of LMDB");
	size_t size = head->free.pad;
	if (size < 4096 || size > PAGE_MAX || size & (size - 1))
		return damaged(check, "it has an odd page size");
	if ((head->free.flags & ~NO_SUBDIR) != INTEGER_KEYS || head->names.flags)
		return damaged(check, "its trees are of another kind");
	return true;
}

/* The later of the two heads counts, as for LMDB; that both are sound is what LMDB asks for as well. */
static bool heads_read(struct check *check)
{
	struct head second = {0};
	if (!head_read(check, 0, &check->head))
		return false;
	check->page_size = check->head.free.pad;
	if (!head_read(check, check->page_size, &second))
		return false;
	if (second.free.pad != check->page_size)
		return damaged(check, "it has two page sizes");
	if (second.txn > check->head.txn)
		check->head = second;
	if (check->head.last_page >= PAGES_MAX || check->head.last_page < FIRST_PAGE)
		return damaged(check, "it has more pages than any spool");
	return true;
}

static bool file_check(struct check *check)
{
	struct stat st;
	if (fstat(check->fd, &st))
		return bad(check, SENSE_CHECK_FAILED, "%s", strerror(errno));
	if (!S_ISREG(st.st_mode))
		return damaged(check, "it is not a regular file");
	check->size = (uint64_t)st.st_size;
	if (!check->size)
		return damaged(check, "it is empty");
	if (!heads_read(check))
		return false;
	check->seen = calloc(1, check->head.last_page / 8 + 1);
	check->levels = malloc(DEPTH_MAX * sizeof *check->levels);
	check->node_bytes = malloc(PAGE_MAX);
	if (!check->seen || !check->levels || !check->node_bytes)
		return bad(check, SENSE_CHECK_FAILED, "no memory to look at it");
	return trees_check(check);
}

enum sense_check sense_check_fd(int fd, char *why, size_t cap)
{
	struct check check = {.fd = fd, .why = why, .cap = cap};
	file_check(&check);
	free(check.seen);
	free(check.levels);
	free(check.node_bytes);
	return check.result;
}

enum sense_check sense_check_store(const char *path, char *why, size_t cap)
{
	int fd = open(path, O_RDONLY | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK | O_NOCTTY);
	if (fd < 0) {
		snprintf(why, cap, "%s", strerror(errno));
		/* A symbolic link; a socket or a device without a driver. */
		return errno == ELOOP || errno == ENXIO ? SENSE_CHECK_DAMAGED : SENSE_CHECK_FAILED;
	}
	enum sense_check result = sense_check_fd(fd, why, cap);
	close(fd);
	return result;
}
