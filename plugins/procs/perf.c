#include "perf.h"

#include <errno.h>
#include <linux/perf_event.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

struct ring {
	int fd;
	struct perf_event_mmap_page *page;
	uint64_t head; /* up to where it is read this time */
};

struct perf {
	struct ring rings[PERF_PROCESSORS];
	unsigned count;
	size_t page_size, size; /* of the data, a power of two */
	struct perf_image kept[PERF_KEPT];
	uint8_t record[4096]; /* one that goes round the ring's end, put together */
};

static struct perf_image *image_of(struct perf *perf, uint32_t pid)
{
	return &perf->kept[pid % PERF_KEPT];
}

/* ---- opening -------------------------------------------------------------------------------------- */

static int event_open(int processor)
{
	struct perf_event_attr attr = {
	    .type = PERF_TYPE_SOFTWARE,
	    .size = sizeof attr,
	    .config = PERF_COUNT_SW_DUMMY,
	    .comm = 1,
	    .comm_exec = 1,
	    .mmap = 1,
	    .mmap2 = 1,
	    .sample_type = PERF_SAMPLE_TIME,
	    .sample_id_all = 1, /* eight bytes of time at the end of each */
	    .use_clockid = 1,
	    .clockid = CLOCK_MONOTONIC,
	    .watermark = 1,
	    .wakeup_watermark = UINT32_MAX, /* the connector wakes */
	};
	return (int)syscall(SYS_perf_event_open, &attr, -1, processor, -1, PERF_FLAG_FD_CLOEXEC);
}

static bool ring_open(struct perf *perf, int processor)
{
	struct ring *ring = &perf->rings[perf->count];
	ring->fd = event_open(processor);
	if (ring->fd < 0)
		return errno == ENODEV; /* a processor that is not there */
	void *page =
	    mmap(NULL, perf->page_size + perf->size, PROT_READ | PROT_WRITE, MAP_SHARED, ring->fd, 0);
	if (page == MAP_FAILED) {
		close(ring->fd);
		return false;
	}
	ring->page = page;
	perf->count++;
	return true;
}

struct perf *perf_open(void)
{
	long processors = sysconf(_SC_NPROCESSORS_CONF);
	struct perf *perf = calloc(1, sizeof *perf);
	if (!perf)
		return NULL;
	perf->page_size = (size_t)sysconf(_SC_PAGESIZE);
	perf->size = perf->page_size * (processors > PERF_FEW ? PERF_PAGES : PERF_PAGES_FEW);
	for (int i = 0; i < processors && i < PERF_PROCESSORS; i++)
		if (!ring_open(perf, i)) {
			int reason = errno;
			perf_close(perf);
			errno = reason;
			return NULL;
		}
	return perf;
}

void perf_close(struct perf *perf)
{
	for (unsigned i = 0; perf && i < perf->count; i++) {
		munmap(perf->rings[i].page, perf->page_size + perf->size);
		close(perf->rings[i].fd);
	}
	free(perf);
}

/* ---- reading --------------------------------------------------------------------------------------
 *
 * A program that begins has its name written, and then what is mapped, its own file first. It may be on
 * another processor by then, whose ring is read before: so names are taken from all rings first, and of a
 * process's files the earliest behind its name.
 */

static uint64_t time_of(const uint8_t *body, size_t len)
{
	uint64_t time;
	memcpy(&time, body + len - sizeof time, sizeof time);
	return time;
}

static void name_take(struct perf *perf, const uint8_t *body, size_t len)
{
	enum { NAME_AT = 8 }; /* pid, tid */
	uint32_t pid;
	uint64_t time = time_of(body, len);
	memcpy(&pid, body, sizeof pid);
	struct perf_image *image = image_of(perf, pid);
	if (image->pid == pid && image->time >= time)
		return; /* it was read before */
	*image = (struct perf_image){.pid = pid, .time = time};
	size_t n = strnlen((const char *)body + NAME_AT, len - NAME_AT);
	n = n < sizeof image->name - 1 ? n : sizeof image->name - 1;
	memcpy(image->name, body + NAME_AT, n);
}

static void path_take(struct perf *perf, const uint8_t *body, size_t len)
{
	enum { PATH_AT = 64 }; /* pid, tid, addr, len, pgoff, device, inode, generation, prot, flags */
	uint32_t pid;
	uint64_t time = time_of(body, len);
	memcpy(&pid, body, sizeof pid);
	struct perf_image *image = image_of(perf, pid);
	const char *path = (const char *)body + PATH_AT;
	size_t n = len > PATH_AT ? strnlen(path, len - PATH_AT) : 0;
	if (image->pid != pid || time < image->time || (image->path_time && image->path_time <= time))
		return;
	image->path_time = time;
	bool kept = n && *path == '/' && n < sizeof image->path;
	memcpy(image->path, path, kept ? n : 0);
	image->path[kept ? n : 0] = '\0';
}

static void copy_round(const struct perf *perf, const uint8_t *data, uint64_t at, uint8_t *out, size_t len)
{
	size_t from = (size_t)(at & (perf->size - 1)), first = perf->size - from;
	if (first > len)
		first = len;
	memcpy(out, data + from, first);
	memcpy(out + first, data, len - first);
}

/* All records of the kind from tail to end. */
static void ring_walk(struct perf *perf, const struct ring *ring, uint64_t end, uint32_t type,
                      void (*take)(struct perf *, const uint8_t *, size_t))
{
	enum { LEAST = 16 }; /* pid, tid, time */
	const uint8_t *data = (const uint8_t *)ring->page + perf->page_size;
	for (uint64_t at = ring->page->data_tail; at < end;) {
		struct perf_event_header head;
		copy_round(perf, data, at, (uint8_t *)&head, sizeof head);
		if (head.size < sizeof head)
			return;
		bool wanted = head.type == type && head.size <= sizeof perf->record &&
		              head.size >= sizeof head + LEAST &&
		              (type != PERF_RECORD_COMM || head.misc & PERF_RECORD_MISC_COMM_EXEC);
		if (wanted) {
			copy_round(perf, data, at, perf->record, head.size);
			take(perf, perf->record + sizeof head, head.size - sizeof head);
		}
		at += head.size;
	}
}

static uint64_t head_of(const struct ring *ring)
{
	return __atomic_load_n(&ring->page->data_head, __ATOMIC_ACQUIRE);
}

void perf_read(struct perf *perf)
{
	bool any = false;
	for (unsigned i = 0; i < perf->count; i++) {
		perf->rings[i].head = head_of(&perf->rings[i]);
		any |= perf->rings[i].head != perf->rings[i].page->data_tail;
	}
	/* Up to where the rings are by now: the names of all files up to those heads are there. */
	for (unsigned i = 0; any && i < perf->count; i++)
		ring_walk(perf, &perf->rings[i], head_of(&perf->rings[i]), PERF_RECORD_COMM, name_take);
	for (unsigned i = 0; any && i < perf->count; i++) {
		struct ring *ring = &perf->rings[i];
		ring_walk(perf, ring, ring->head, PERF_RECORD_MMAP2, path_take);
		__atomic_store_n(&ring->page->data_tail, ring->head, __ATOMIC_RELEASE);
	}
}

const struct perf_image *perf_recall(const struct perf *perf, uint32_t pid)
{
	const struct perf_image *image = &perf->kept[pid % PERF_KEPT];
	return pid && image->pid == pid ? image : NULL;
}
