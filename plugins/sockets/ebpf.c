#include "ebpf.h"

#include <bpf/bpf.h>
#include <bpf/libbpf.h>
#include <errno.h>
#include <fcntl.h>
#include <mntent.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

enum {
	PROGRAMS_MAX = 16,
	PATH_SIZE = 512,
	TAKE_MAX = 4096 /* records at one time: who sends without end must not hold up the rest */
};

#define NEEDS "it takes Linux 5.8, CAP_BPF, CAP_PERFMON and CAP_NET_ADMIN"

/* The object that clang made of sockets.bpf.c. */
extern const char sockets_bpf_begin[], sockets_bpf_end[];

struct ebpf {
	struct bpf_object *object;
	struct bpf_link *links[PROGRAMS_MAX];
	unsigned link_count;
	struct ring_buffer *ring;
	int owners, drops;
	unsigned taken;
	void (*each)(void *self, const struct record *record);
	void *self;
};

/* ---- what libbpf says ------------------------------------------------------------------------ */

/* Its printer has no context: one module is used by one thread, and libbpf prints only within a call. */
static const struct sense_host *printer;
static char printed[256]; /* the first complaint of a call: the later ones follow from it */

__attribute__((format(printf, 2, 0))) static int print(enum libbpf_print_level level, const char *fmt,
                                                       va_list args)
{
	char line[256];
	if (level == LIBBPF_DEBUG || !printer)
		return 0;
	vsnprintf(line, sizeof line, fmt, args);
	line[strcspn(line, "\n")] = '\0';
	printer->log(SENSE_LOG_DEBUG, "sockets", "%s", line);
	if (level == LIBBPF_WARN && !*printed)
		memcpy(printed, line, sizeof line);
	return 0;
}

/* ---- where ----------------------------------------------------------------------------------- */

/* The unified hierarchy: alone at /sys/fs/cgroup, or beside the older ones. */
static bool root_find(char *path, size_t cap)
{
	FILE *mounts = setmntent("/proc/self/mounts", "re");
	if (!mounts)
		return false;
	bool found = false;
	struct mntent entry;
	char text[4096];
	while (!found && getmntent_r(mounts, &entry, text, sizeof text)) {
		found = !strcmp(entry.mnt_type, "cgroup2") && strlen(entry.mnt_dir) < cap;
		if (found)
			snprintf(path, cap, "%s", entry.mnt_dir);
	}
	endmntent(mounts);
	return found;
}

/* ---- load and attach ------------------------------------------------------------------------- */

static bool object_load(ebpf *self, char *why, size_t cap)
{
	/* ELF is read in place and wants alignment that embedding does not promise. */
	size_t len = (uintptr_t)sockets_bpf_end - (uintptr_t)sockets_bpf_begin;
	void *copy = aligned_alloc(16, (len + 15) & ~(size_t)15);
	if (!copy) {
		snprintf(why, cap, "no memory");
		return false;
	}
	memcpy(copy, sockets_bpf_begin, len);
	struct bpf_object_open_opts opts = {.sz = sizeof opts, .object_name = "sense"};
	self->object = bpf_object__open_mem(copy, len, &opts);
	int error = self->object ? -bpf_object__load(self->object) : errno;
	free(copy);
	if (error)
		snprintf(why, cap, "loading (" NEEDS "): %s%s%s", strerror(error), *printed ? ": " : "", printed);
	return !error;
}

static bool attach(ebpf *self, char *why, size_t cap)
{
	char path[PATH_SIZE];
	if (!root_find(path, sizeof path)) {
		snprintf(why, cap, "there is no unified cgroup hierarchy (cgroup2) mounted");
		return false;
	}
	int root = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (root < 0) {
		snprintf(why, cap, "%s: %s", path, strerror(errno));
		return false;
	}
	struct bpf_program *program;
	bool good = true;
	bpf_object__for_each_program(program, self->object)
	{
		struct bpf_link *link =
		    self->link_count < PROGRAMS_MAX ? bpf_program__attach_cgroup(program, root) : NULL;
		if (!link) {
			snprintf(why, cap, "attaching %s to %s: %s", bpf_program__name(program), path,
			         strerror(errno));
			good = false;
			break;
		}
		self->links[self->link_count++] = link;
	}
	close(root);
	return good;
}

static int record_take(void *context, void *data, size_t len)
{
	ebpf *self = context;
	struct record record;
	if (record_read(data, len, &record))
		self->each(self->self, &record);
	return ++self->taken < TAKE_MAX ? 0 : -EAGAIN; /* which is taken all the same */
}

static bool maps_open(ebpf *self, char *why, size_t cap)
{
	int ring = bpf_object__find_map_fd_by_name(self->object, "ring");
	self->owners = bpf_object__find_map_fd_by_name(self->object, "owners");
	self->drops = bpf_object__find_map_fd_by_name(self->object, "drops");
	self->ring = ring < 0 ? NULL : ring_buffer__new(ring, record_take, self, NULL);
	bool good = self->ring && self->owners >= 0 && self->drops >= 0;
	if (!good)
		snprintf(why, cap, "ring buffer: %s", strerror(errno));
	return good;
}

/*
 * Do the programs see what happens here, and call processes as /proc does? Not where this process is
 * outside the root cgroup that it sees, or in a pid namespace of its own.
 */
static bool seen_to_work(const ebpf *self, char *why, size_t cap)
{
	int fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	if (fd < 0)
		return true; /* no socket may be made here: nothing to try it with */
	uint64_t cookie = 0;
	socklen_t len = sizeof cookie;
	struct record_owner owner = {0};
	bool asked = !getsockopt(fd, SOL_SOCKET, SO_COOKIE, &cookie, &len);
	bool noted = asked && ebpf_owner(self, cookie, &owner);
	close(fd);
	if (noted && owner.tgid == (uint32_t)getpid())
		return true;
	if (noted)
		snprintf(why, cap, "the kernel calls this process %u, /proc calls it %d: a pid namespace",
		         owner.tgid, getpid());
	else
		snprintf(why, cap, "the programs do not see this process's own sockets");
	return false;
}

ebpf *ebpf_new(const struct sense_host *host, void (*each)(void *, const struct record *), void *self,
               char *why, size_t why_cap)
{
	ebpf *made = calloc(1, sizeof *made);
	if (!made) {
		snprintf(why, why_cap, "no memory");
		return NULL;
	}
	made->each = each;
	made->self = self;
	printer = host;
	*printed = '\0';
	libbpf_set_print(print);
	bool good = object_load(made, why, why_cap) && maps_open(made, why, why_cap) &&
	            attach(made, why, why_cap) && seen_to_work(made, why, why_cap);
	printer = NULL;
	if (good)
		return made;
	ebpf_free(made);
	return NULL;
}

void ebpf_free(ebpf *self)
{
	if (!self)
		return;
	for (unsigned i = 0; i < self->link_count; i++)
		bpf_link__destroy(self->links[i]);
	ring_buffer__free(self->ring);
	bpf_object__close(self->object);
	free(self);
}

/* ---- what they tell -------------------------------------------------------------------------- */

int ebpf_fd(const ebpf *self)
{
	return ring_buffer__epoll_fd(self->ring);
}

bool ebpf_take(ebpf *self)
{
	self->taken = 0;
	int count = ring_buffer__consume(self->ring);
	return count >= 0 || count == -EAGAIN;
}

uint64_t ebpf_drops(const ebpf *self)
{
	uint32_t first = 0;
	uint64_t count = 0;
	return bpf_map_lookup_elem(self->drops, &first, &count) ? 0 : count;
}

bool ebpf_owner(const ebpf *self, uint64_t cookie, struct record_owner *out)
{
	if (bpf_map_lookup_elem(self->owners, &cookie, out))
		return false;
	out->comm[RECORD_COMM - 1] = '\0';
	return true;
}

void ebpf_owner_set(ebpf *self, uint64_t cookie, const struct record_owner *owner)
{
	(void)bpf_map_update_elem(self->owners, &cookie, owner, BPF_ANY);
}
