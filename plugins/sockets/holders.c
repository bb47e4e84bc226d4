#include "holders.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

enum {
	SLOTS = 2 * HOLDERS_WANTED_MAX, /* power of two */
	USERS_MAX = 64,                 /* more users than that: all processes come first */
	CLOCK_EVERY = 32                /* descriptors between two looks at the clock */
};

struct want {
	uint32_t inode;
	bool found;
	struct holder holder;
};

struct candidate {
	struct holder holder;
	bool of_user;
};

struct holders {
	const struct sense_host *host;
	struct want wanted[SLOTS];
	unsigned wanted_count, missing;
	uint32_t users[USERS_MAX];
	unsigned user_count;
	struct candidate *candidates;
	unsigned candidate_count, candidate_room;
	unsigned next;
	bool scanning;
	DIR *dir; /* of candidates[next], half read */
};

uint64_t now_us(void)
{
	struct timespec now;
	clock_gettime(CLOCK_MONOTONIC, &now);
	return (uint64_t)now.tv_sec * 1000000 + (uint64_t)now.tv_nsec / 1000;
}

holders *holders_new(const struct sense_host *host)
{
	holders *self = calloc(1, sizeof *self);
	if (self)
		self->host = host;
	return self;
}

void holders_free(holders *self)
{
	if (!self)
		return;
	holders_forget(self);
	free(self->candidates);
	free(self);
}

/* ---- what is wanted -------------------------------------------------------------------------- */

/* Its slot, or the free one where it would be: there are twice as many as can be wanted. */
static unsigned slot_of(const holders *self, uint32_t inode)
{
	unsigned slot = inode * 2654435761u >> 7 & (SLOTS - 1);
	while (self->wanted[slot].inode && self->wanted[slot].inode != inode)
		slot = (slot + 1) & (SLOTS - 1);
	return slot;
}

bool holders_want(holders *self, uint32_t inode, uint32_t uid)
{
	struct want *want = &self->wanted[slot_of(self, inode)];
	if (want->inode)
		return true;
	if (!inode || self->wanted_count == HOLDERS_WANTED_MAX)
		return false;
	*want = (struct want){.inode = inode};
	self->wanted_count++;
	self->missing++;
	for (unsigned i = 0; i < self->user_count && i < USERS_MAX; i++)
		if (self->users[i] == uid)
			return true;
	if (self->user_count < USERS_MAX)
		self->users[self->user_count] = uid;
	self->user_count += self->user_count <= USERS_MAX;
	return true;
}

bool holders_wanted(const holders *self)
{
	return self->wanted_count;
}

bool holders_find(const holders *self, uint32_t inode, struct holder *out)
{
	const struct want *want = &self->wanted[slot_of(self, inode)];
	if (!want->inode || !want->found)
		return false;
	*out = want->holder;
	return true;
}

static void scan_end(holders *self)
{
	if (self->dir)
		closedir(self->dir);
	self->dir = NULL;
	self->scanning = false;
}

void holders_forget(holders *self)
{
	scan_end(self);
	if (self->wanted_count)
		memset(self->wanted, 0, sizeof self->wanted);
	self->wanted_count = self->missing = self->user_count = 0;
}

/* ---- who is looked at ------------------------------------------------------------------------ */

static bool of_user(const holders *self, uint32_t uid)
{
	if (self->user_count > USERS_MAX)
		return true;
	for (unsigned i = 0; i < self->user_count; i++)
		if (self->users[i] == uid)
			return true;
	return false;
}

static bool candidate_add(holders *self, const struct sense_process_known *process)
{
	if (self->candidate_count == self->candidate_room) {
		unsigned room = self->candidate_room ? 2 * self->candidate_room : 256;
		struct candidate *grown =
		    room > HOLDERS_PROCESSES_MAX ? NULL : realloc(self->candidates, room * sizeof *grown);
		if (!grown)
			return false;
		self->candidates = grown;
		self->candidate_room = room;
	}
	self->candidates[self->candidate_count++] = (struct candidate){
	    .holder = {process->pid, process->start_us}, .of_user = of_user(self, process->uid)};
	return true;
}

static int youngest_first(const void *a, const void *b)
{
	const struct candidate *x = a, *y = b;
	if (x->of_user != y->of_user)
		return x->of_user ? -1 : 1;
	if (x->holder.start_us != y->holder.start_us)
		return x->holder.start_us > y->holder.start_us ? -1 : 1;
	return x->holder.pid > y->holder.pid ? -1 : x->holder.pid < y->holder.pid;
}

static int oldest_first_order(const void *a, const void *b)
{
	const struct candidate *x = a, *y = b;
	return x->of_user != y->of_user ? youngest_first(a, b) : youngest_first(b, a);
}

static void scan_begin(holders *self, bool oldest_first)
{
	struct sense_process_known process = {.size = sizeof process};
	uint32_t cursor = 0;
	self->candidate_count = self->next = 0;
	while (self->host->process_next(&cursor, &process)) {
		if (process.pid && !process.exit_us && !candidate_add(self, &process))
			break;
		process = (struct sense_process_known){.size = sizeof process};
	}
	if (self->candidate_count)
		qsort(self->candidates, self->candidate_count, sizeof *self->candidates,
		      oldest_first ? oldest_first_order : youngest_first);
	self->scanning = true;
}

/* ---- what it holds --------------------------------------------------------------------------- */

static uint32_t socket_inode(int dir, const char *name)
{
	char link[32];
	ssize_t len = readlinkat(dir, name, link, sizeof link - 1);
	if (len < 10 || memcmp(link, "socket:[", 8) != 0 || link[len - 1] != ']')
		return 0;
	link[len - 1] = '\0';
	char *end;
	unsigned long inode = strtoul(link + 8, &end, 10);
	return *end || inode > UINT32_MAX ? 0 : (uint32_t)inode;
}

static DIR *descriptors_of(uint32_t pid)
{
	char path[32];
	snprintf(path, sizeof path, "/proc/%u/fd", pid);
	return opendir(path);
}

/* True: all of them were read. */
static bool descriptors_read(holders *self, const struct holder *holder, uint64_t until_us)
{
	unsigned count = 0;
	const struct dirent *entry;
	while (self->missing && (entry = readdir(self->dir))) {
		uint32_t inode = socket_inode(dirfd(self->dir), entry->d_name);
		struct want *want = inode ? &self->wanted[slot_of(self, inode)] : NULL;
		if (want && want->inode && !want->found) {
			want->found = true;
			want->holder = *holder;
			self->missing--;
		}
		if (++count % CLOCK_EVERY == 0 && now_us() >= until_us)
			return false;
	}
	closedir(self->dir);
	self->dir = NULL;
	return true;
}

bool holders_scan(holders *self, bool oldest_first, uint64_t until_us)
{
	if (!self->scanning && self->missing)
		scan_begin(self, oldest_first);
	while (self->missing && self->next < self->candidate_count) {
		const struct holder *holder = &self->candidates[self->next].holder;
		if (!self->dir)
			self->dir = descriptors_of(holder->pid);
		if (self->dir && !descriptors_read(self, holder, until_us))
			return false;
		self->next++;
		if (now_us() >= until_us && self->missing)
			return false;
	}
	scan_end(self);
	return true;
}
