/*
 * One walker for all places. In each directory it knows how far it has come on the way to each place
 * (states); names that are certain are tried, and a directory is read only where a place says '*' or '**'.
 * It goes in pieces and holds a descriptor for each level, so what moves meanwhile does not lead it astray.
 *
 * Hostile trees: every open is relative to a directory that is held and follows no link; a link that a place
 * names is followed once, by openat2(2) beneath the home, not across mounts. What stands in a directory is
 * looked at by fstatat before it is opened, and opened without blocking.
 */
#include "files.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/openat2.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>

#define OPEN_FLAGS (O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY)
#define BRANCH_MAX (ENTRIES_HOME_MAX / 4) /* entries below one entry of the home */
#define COUNT_MAX 1000000u                /* entries that are counted and not looked at */

/* ---- opening ---------------------------------------------------------------------------------------- */

/* Without openat2 (Linux before 5.6): a part at a time, and no link at all. */
static int open_steps(int fd, const char *path, int flags)
{
	char part[256];
	int at = fd;
	while (*path) {
		size_t n = strcspn(path, "/");
		if (n >= sizeof part || (n == 2 && !memcmp(path, "..", 2)))
			break;
		memcpy(part, path, n);
		part[n] = '\0';
		path += n + strspn(path + n, "/");
		int next = openat(at, part, flags | O_NOFOLLOW | (*path ? O_DIRECTORY : 0));
		int error = errno;
		if (at != fd)
			close(at);
		errno = error;
		if (next < 0 || !*path)
			return next;
		at = next;
	}
	if (at != fd)
		close(at);
	errno = ELOOP;
	return -1;
}

int open_beneath(int fd, const char *path, int flags)
{
	struct open_how how = {.flags = (uint64_t)(flags | OPEN_FLAGS),
	                       .resolve = RESOLVE_BENEATH | RESOLVE_NO_MAGICLINKS | RESOLVE_NO_XDEV};
	long got = syscall(SYS_openat2, fd, path, &how, sizeof how);
	if (got < 0 && (errno == ENOSYS || errno == EPERM))
		return open_steps(fd, path, flags | OPEN_FLAGS);
	return (int)got;
}

static const char *reason(int error)
{
	return error == ELOOP || error == EXDEV ? "is a link that leads out of the home" : strerror(error);
}

/* ---- frames ----------------------------------------------------------------------------------------- */

static struct frame *top(struct walk *walk)
{
	return &walk->frames[walk->depth - 1];
}

static void pop(struct walk *walk)
{
	struct frame *frame = top(walk);
	if (frame->dir)
		closedir(frame->dir);
	else
		close(frame->fd);
	free(frame->states);
	walk->depth--;
}

static bool must_read(const struct files *files, const struct states *states)
{
	for (unsigned i = 0; i < states->count; i++)
		if (files->places.at[states->at[i].place].steps[states->at[i].step].kind != STEP_NAME)
			return true;
	return false;
}

/* walk->path ends with the directory's '/'. Takes fd over. */
static bool push(struct files *files, struct walk *walk, int fd, unsigned path_len,
                 const struct states *states)
{
	struct frame *frame = &walk->frames[walk->depth];
	if (walk->depth == DEPTH_MAX)
		goto out;
	*frame = (struct frame){.fd = fd, .path_len = path_len, .count = states->count};
	frame->states = malloc((states->count + 1) * sizeof *frame->states);
	if (!frame->states)
		goto out;
	memcpy(frame->states, states->at, states->count * sizeof *frame->states);
	frame->read = must_read(files, states);
	frame->try_all = !frame->read || !walk->depth;
	if (frame->read && !(frame->dir = fdopendir(fd))) {
		free(frame->states);
		goto out;
	}
	walk->depth++;
	if (walk->depth <= 2)
		walk->branch = 0;
	return true;
out:
	close(fd);
	walk->home->cut = true;
	return false;
}

/* The directory's path below the home, "" or ending with '/'. */
static const char *relative(const struct walk *walk)
{
	return walk->path + strlen(walk->home->path) + 1;
}

static void enter(struct files *files, struct walk *walk, int fd, unsigned path_len)
{
	places_settle(&files->places, &walk->next);
	/* Before it is read, so that what comes while it is read is not missed. */
	watch_directory(files, walk->home, fd, relative(walk), walk->next.at, walk->next.count);
	push(files, walk, fd, path_len, &walk->next);
}

/* ---- entries ---------------------------------------------------------------------------------------- */

static bool wants_content(const struct place *place, const struct stat *st)
{
	switch (place->leaf) {
	case LEAF_MODEL:
		return st->st_size >= MODEL_MIN;
	case LEAF_MCP:
	case LEAF_CHROME:
	case LEAF_FIREFOX:
		return true;
	default:
		return false;
	}
}

static bool is_directory_leaf(uint8_t leaf)
{
	return leaf == LEAF_EDITOR || leaf == LEAF_JETBRAINS || leaf == LEAF_PYTHON || leaf == LEAF_NPM;
}

/* fd: of the file, where it was opened already; else -1. */
static void take_leaf(struct files *files, struct walk *walk, const struct place *place, int fd,
                      const char *name, const struct stat *st)
{
	struct stat now = *st;
	int own = -1;
	if (fd < 0 && wants_content(place, st)) {
		own = fd = openat(top(walk)->fd, name, OPEN_FLAGS | O_NOFOLLOW);
		files->work += 3;
		if (fd < 0 && errno != ENOENT)
			tell_gap(files, walk->home, walk->path, reason(errno), 1);
		if (fd < 0)
			return;
		/* It may be another by now. */
		if (fstat(fd, &now) || !S_ISREG(now.st_mode)) {
			close(own);
			return;
		}
	}
	leaf_take(files, walk->home, place, &(struct found){fd, top(walk)->fd, name, walk->path, &now});
	if (own >= 0)
		close(own);
}

/* The same file can be several places of one kind: the first is the one that says most. */
static void take_leaves(struct files *files, struct walk *walk, int fd, const char *name,
                        const struct stat *st)
{
	unsigned done = 0;
	for (unsigned i = 0; i < walk->leaves.count; i++) {
		const struct place *place = &files->places.at[walk->leaves.at[i].place];
		if (done >> place->leaf & 1 || is_directory_leaf(place->leaf) != S_ISDIR(st->st_mode))
			continue;
		done |= 1u << place->leaf;
		take_leaf(files, walk, place, fd, name, st);
	}
}

static void descend(struct files *files, struct walk *walk, int fd, const char *name, unsigned path_len)
{
	const struct frame *frame = top(walk);
	if (mounts_remote_at(&files->mounts, walk->path)) {
		tell_gap(files, walk->home, walk->path, "is a network or user-space file system", 1);
		if (fd >= 0)
			close(fd);
		return;
	}
	if (walk->depth == DEPTH_MAX || path_len + 2 >= PATH_ROOM) {
		tell_gap(files, walk->home, walk->path, "is nested too deeply", 1);
		if (fd >= 0)
			close(fd);
		return;
	}
	if (fd < 0)
		fd = openat(frame->fd, name, OPEN_FLAGS | O_NOFOLLOW | O_DIRECTORY);
	files->work += 2;
	if (fd < 0) {
		if (errno != ENOENT && errno != ENOTDIR && errno != ELOOP) {
			walk->home->cut = true;
			tell_gap(files, walk->home, walk->path, strerror(errno), 1);
		}
		return;
	}
	walk->path[path_len] = '/';
	walk->path[path_len + 1] = '\0';
	enter(files, walk, fd, path_len + 1);
}

static bool named(const struct files *files, const struct frame *frame, const char *name)
{
	for (unsigned i = 0; i < frame->count; i++) {
		const struct step *step =
		    &files->places.at[frame->states[i].place].steps[frame->states[i].step];
		if (step->kind == STEP_NAME && !strcmp(step->text, name))
			return true;
	}
	return false;
}

/* Where a link that a place names leads to, if that is in the home. */
static int follow(struct files *files, struct walk *walk, struct stat *st)
{
	int fd = open_beneath(walk->root, relative(walk), 0);
	files->work += 2;
	if (fd < 0 && errno != ENOENT)
		tell_gap(files, walk->home, walk->path, reason(errno), 1);
	if (fd >= 0 && fstat(fd, st)) {
		close(fd);
		return -1;
	}
	return fd;
}

/* One entry of the directory on top. type: as readdir has it, or DT_UNKNOWN. */
static void take_entry(struct files *files, struct walk *walk, const char *name, unsigned char type)
{
	struct frame *frame = top(walk);
	struct stat st = {0};
	int fd = -1;
	size_t len = strlen(name);
	files->looked++;
	places_step(&files->places, frame->states, frame->count, name, type != DT_REG, &walk->next,
	            &walk->leaves);
	if (!walk->next.count && !walk->leaves.count)
		return;
	if (frame->path_len + len + 2 >= PATH_ROOM) {
		walk->home->cut = true;
		return;
	}
	memcpy(walk->path + frame->path_len, name, len + 1);
	files->work++;
	/* What is mounted there is not asked what it is. */
	if (type == DT_DIR || mounts_remote_at(&files->mounts, walk->path))
		st.st_mode = S_IFDIR;
	else if (fstatat(frame->fd, name, &st, AT_SYMLINK_NOFOLLOW | AT_NO_AUTOMOUNT))
		st.st_mode = 0;
	if (S_ISLNK(st.st_mode) && named(files, frame, name))
		fd = follow(files, walk, &st);
	if (S_ISREG(st.st_mode) || S_ISDIR(st.st_mode))
		take_leaves(files, walk, fd, name, &st);
	if (S_ISDIR(st.st_mode) && walk->next.count)
		descend(files, walk, fd, name, (unsigned)(frame->path_len + len));
	else if (fd >= 0)
		close(fd);
	if (walk->depth && top(walk) == frame)
		walk->path[frame->path_len] = '\0';
}

/* ---- pieces ------------------------------------------------------------------------------------------ */

/* The next name that is certain, each once. */
static bool try_next(struct files *files, struct walk *walk)
{
	struct frame *frame = top(walk);
	while (frame->tried < frame->count) {
		unsigned at = frame->tried++;
		const struct state *state = &frame->states[at];
		const struct step *step = &files->places.at[state->place].steps[state->step];
		bool before = step->kind != STEP_NAME;
		for (unsigned i = 0; i < at && !before; i++) {
			const struct step *other =
			    &files->places.at[frame->states[i].place].steps[frame->states[i].step];
			before = other->kind == STEP_NAME && !strcmp(other->text, step->text);
		}
		if (before)
			continue;
		take_entry(files, walk, step->text, DT_UNKNOWN);
		return true;
	}
	return false;
}

/* What is left of a directory that is too large is counted. */
static void tell_rest(struct files *files, struct walk *walk, struct frame *frame)
{
	if (frame->entries <= ENTRIES_DIR_MAX)
		return;
	walk->path[frame->path_len] = '\0';
	walk->home->cut = true;
	tell_gap(files, walk->home, walk->path, "holds more entries than are looked at",
	         frame->entries - ENTRIES_DIR_MAX);
}

static bool read_next(struct files *files, struct walk *walk)
{
	struct frame *frame = top(walk);
	const struct dirent *entry;
	errno = 0;
	entry = frame->entries < COUNT_MAX ? readdir(frame->dir) : NULL;
	if (!entry) {
		frame->read = false;
		if (errno)
			walk->home->cut = true;
		/* Names that are certain may be among those that were not looked at. */
		if (frame->entries > ENTRIES_DIR_MAX && !frame->try_all)
			frame->try_all = true;
		tell_rest(files, walk, frame);
		return true;
	}
	if (!strcmp(entry->d_name, ".") || !strcmp(entry->d_name, ".."))
		return true;
	frame->entries++;
	files->work += frame->entries % 8 == 0;
	if (frame->entries > ENTRIES_DIR_MAX)
		return true;
	walk->home->entries++;
	walk->branch++;
	/* Those of try_all were looked at by name. */
	if (frame->try_all && named(files, frame, entry->d_name))
		return true;
	take_entry(files, walk, entry->d_name, entry->d_type);
	return true;
}

/* A branch or a home beyond its bound is left where it is. */
static void check_bounds(struct files *files, struct walk *walk)
{
	bool home = walk->home->entries > ENTRIES_HOME_MAX;
	if (!home && walk->branch <= BRANCH_MAX)
		return;
	while (walk->depth > (home ? 1u : 2u))
		pop(walk);
	struct frame *frame = top(walk);
	walk->path[frame->path_len] = '\0';
	tell_gap(files, walk->home, walk->path, "holds more files than are looked at in one sweep", 1);
	walk->home->cut = true;
	walk->branch = 0;
	frame->read = false;
	frame->entries = 0;
}

bool walk_go(struct files *files, struct walk *walk)
{
	while (walk->depth && files->work < WORK_PIECE) {
		struct frame *frame = top(walk);
		if (frame->read || frame->try_all)
			check_bounds(files, walk);
		frame = top(walk);
		if (frame->try_all && try_next(files, walk))
			continue;
		if (frame->read && read_next(files, walk))
			continue;
		if (top(walk) == frame)
			pop(walk);
	}
	if (walk->depth)
		return true;
	walk_end(walk);
	return false;
}

void walk_end(struct walk *walk)
{
	while (walk->depth)
		pop(walk);
	if (walk->home && walk->root >= 0)
		close(walk->root);
	walk->home = NULL;
	walk->root = -1;
}

/* ---- beginning --------------------------------------------------------------------------------------- */

static bool open_root(struct files *files, struct walk *walk, struct home *home)
{
	*walk = (struct walk){.home = home, .root = -1};
	if (home->user && mounts_remote(&files->mounts, home->path)) {
		home->cut = true;
		tell_gap(files, home, home->path, "is a network or user-space file system", 1);
		return false;
	}
	walk->root = open(home->path[0] ? home->path : "/", OPEN_FLAGS | O_DIRECTORY);
	if (walk->root < 0 && errno != ENOENT) {
		home->cut = true;
		tell_gap(files, home, home->path, strerror(errno), 1);
	}
	snprintf(walk->path, sizeof walk->path, "%s/", home->path);
	return walk->root >= 0;
}

bool walk_begin(struct files *files, struct walk *walk, struct home *home)
{
	home->entries = 0;
	if (!open_root(files, walk, home))
		return false;
	int fd = fcntl(walk->root, F_DUPFD_CLOEXEC, 0);
	if (fd < 0) {
		walk_end(walk);
		return false;
	}
	places_begin(&files->places, !home->user, &walk->next);
	enter(files, walk, fd, (unsigned)strlen(walk->path));
	return walk->depth > 0;
}

bool walk_begin_entry(struct files *files, struct walk *walk, struct home *home, const char *rel,
                      const char *name, const struct state *states, unsigned count)
{
	if (!open_root(files, walk, home))
		return false;
	size_t len = strlen(walk->path);
	snprintf(walk->path + len, sizeof walk->path - len, "%s", rel);
	int fd = mounts_remote(&files->mounts, walk->path)
	           ? -1
	           : open_beneath(walk->root, *rel ? rel : ".", O_DIRECTORY);
	walk->next.count = count;
	memcpy(walk->next.at, states, count * sizeof *states);
	if (fd < 0 || !push(files, walk, fd, (unsigned)strlen(walk->path), &walk->next)) {
		walk_end(walk);
		return false;
	}
	struct frame *frame = top(walk);
	frame->read = frame->try_all = false;
	take_entry(files, walk, name, DT_UNKNOWN);
	return true;
}
