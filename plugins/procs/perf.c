#include "perf.h"

#include <errno.h>
#include <linux/perf_event.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <unistd.h>

struct ring {
	int fd;
	struct perf_event_mmap_page *page;
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
	void *page = mmap(NULL, perf->page_size + perf->size, PROT_READ | PROT_WRITE, MAP_SHARED, ring->fd, 0);
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
	perf->size = perf->page_size * PERF_PAGES;
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

/* ---- reading -------------------------------------------------------------------------------------- */

/* A program begins: its name, and then, first of all that is mapped, its file. */
static void name_take(struct perf *perf, const uint8_t *body, size_t len)
{
	uint32_t pid;
	if (len < 9)
		return;
	memcpy(&pid, body, sizeof pid);
	struct perf_image *image = image_of(perf, pid);
	image->pid = pid;
	image->path[0] = '\0';
	size_t n = strnlen((const char *)body + 8, len - 8);
	n = n < sizeof image->name - 1 ? n : sizeof image->name - 1;
	memcpy(image->name, body + 8, n);
	image->name[n] = '\0';
}

static void path_take(struct perf *perf, const uint8_t *body, size_t len)
{
	enum { PATH_AT = 64 }; /* pid, tid, addr, len, pgoff, device, inode, generation, prot, flags */
	uint32_t pid;
	if (len <= PATH_AT)
		return;
	memcpy(&pid, body, sizeof pid);
	struct perf_image *image = image_of(perf, pid);
	const char *path = (const char *)body + PATH_AT;
	size_t n = strnlen(path, len - PATH_AT);
	if (image->pid != pid || image->path[0] || *path != '/' || n >= sizeof image->path)
		return;
	memcpy(image->path, path, n);
	image->path[n] = '\0';
}

static void record_take(struct perf *perf, const struct perf_event_header *head, const uint8_t *body)
{
	size_t len = head->size - sizeof *head;
	if (head->type == PERF_RECORD_COMM && head->misc & PERF_RECORD_MISC_COMM_EXEC)
		name_take(perf, body, len);
	else if (head->type == PERF_RECORD_MMAP2)
		path_take(perf, body, len);
}

static void copy_round(const struct perf *perf, const uint8_t *data, uint64_t at, uint8_t *out, size_t len)
{
	size_t from = (size_t)(at & (perf->size - 1)), first = perf->size - from;
	if (first > len)
		first = len;
	memcpy(out, data + from, first);
	memcpy(out + first, data, len - first);
}

static void ring_read(struct perf *perf, struct ring *ring)
{
	struct perf_event_mmap_page *page = ring->page;
	const uint8_t *data = (const uint8_t *)page + perf->page_size;
	uint64_t head = __atomic_load_n(&page->data_head, __ATOMIC_ACQUIRE), tail = page->data_tail;
	if (head == tail)
		return;
	while (tail < head) {
		struct perf_event_header record;
		copy_round(perf, data, tail, (uint8_t *)&record, sizeof record);
		if (record.size < sizeof record)
			break;
		if (record.size <= sizeof perf->record) {
			copy_round(perf, data, tail, perf->record, record.size);
			record_take(perf, &record, perf->record + sizeof record);
		}
		tail += record.size;
	}
	__atomic_store_n(&page->data_tail, head, __ATOMIC_RELEASE);
}

void perf_read(struct perf *perf)
{
	for (unsigned i = 0; i < perf->count; i++)
		ring_read(perf, &perf->rings[i]);
}

const struct perf_image *perf_recall(const struct perf *perf, uint32_t pid)
{
	const struct perf_image *image = &perf->kept[pid % PERF_KEPT];
	return pid && image->pid == pid ? image : NULL;
}
