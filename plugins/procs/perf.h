/*
 * What was executed, as the kernel's own records have it (perf_event_open(2): PERF_RECORD_COMM,
 * PERF_RECORD_MMAP2), for processes that are gone before /proc can be read: each program's name and path,
 * written down as it is executed. A ring for each processor, of PERF_PAGES pages and where they are few
 * PERF_PAGES_FEW, read whenever something is to be taken; PERF_KEPT processes are remembered. Needs
 * CAP_PERFMON; without it there is nothing to recall.
 */
#ifndef PROCS_PERF_H
#define PROCS_PERF_H

#include <stdbool.h>
#include <stdint.h>

enum {
	PERF_PAGES = 8,
	PERF_PAGES_FEW = 32,
	PERF_FEW = 16,
	PERF_KEPT = 1024,
	PERF_PROCESSORS = 512,
	PERF_NAME_MAX = 16,
	PERF_PATH_MAX = 512
};

struct perf;

struct perf_image {
	uint32_t pid;             /* 0: free */
	uint64_t time, path_time; /* when the two were written, ns */
	char name[PERF_NAME_MAX];
	char path[PERF_PATH_MAX]; /* "": not known; one that is longer is not kept */
};

/* NULL, and errno says why. */
struct perf *perf_open(void);
void perf_close(struct perf *perf); /* NULL is fine */
/* Reads what there is. Cheap when there is nothing. */
void perf_read(struct perf *perf);
/* What the process executed last; NULL: it is not remembered. By its pid: for one that has just ended. */
const struct perf_image *perf_recall(const struct perf *perf, uint32_t pid);

#endif
