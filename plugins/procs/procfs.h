/*
 * Texts of /proc (proc(5)), parsed: bytes in, fixed structs out, no system calls. Processes choose much of
 * what stands in them: names with brackets and newlines, environments overwritten by a title, paths of any
 * bytes.
 */
#ifndef PROCFS_H
#define PROCFS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define PROCFS_NAME_MAX 64               /* the kernel's own threads have more than 15 bytes */
#define PROCFS_KERNEL_THREAD 0x00200000u /* PF_KTHREAD */

struct procfs_stat {
	char name[PROCFS_NAME_MAX];
	char state;
	uint32_t parent;
	uint32_t flags;
	uint64_t start; /* in ticks since boot, of CLOCK_BOOTTIME */
};

/* /proc/PID/stat. The name ends with the last ')' of the text. */
bool procfs_stat(const char *text, size_t len, struct procfs_stat *out);
/* /proc/PID/status: the real user id. */
bool procfs_uid(const char *text, size_t len, uint32_t *uid);
/*
 * /proc/PID/cgroup: id of the container, as lists of containers show it (12 digits of 64), or the systemd
 * unit; "": none.
 */
void procfs_container(const char *text, size_t len, char *out, size_t cap);
/*
 * /proc/PID/environ: leaves the names, each ended by NUL, and wipes the rest. Only what POSIX calls a name
 * (8.1, and lower case) counts: what has been written over an environment is none. Returns their length.
 */
size_t procfs_environment(char *text, size_t len);
/* /proc/PID/mountinfo: type of the file system with this mount id. False: there is none. */
bool procfs_mount_type(const char *text, size_t len, uint64_t id, char *out, size_t cap);

struct procfs_package {
	const char *path; /* of the package's folder or file */
	size_t path_len;
	const char *name;
	size_t name_len;
};
/* A line of /proc/PID/maps, without its end: the package of Python's that the mapped file is part of. */
bool procfs_maps_package(const char *line, size_t len, struct procfs_package *out);

#endif
