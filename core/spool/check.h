/*
 * Whether a store can be trusted, found out without LMDB.
 *
 * LMDB follows what its file says. One that was cut short ends it by SIGBUS, one with garbage in it by an
 * assertion or worse, perhaps only when a page is freed. So a file is read here from end to end, by pread(2),
 * before it is mapped: heads, all trees, all nodes of a page, pages of large values, the list of free pages;
 * that no page is used twice or used and free; that keys ascend and sizes are those of a spool; and that the
 * state counts what is there. Records are not opened: one that was tampered with is found when it is read.
 *
 * The format is that of LMDB 0.9, data version 1, on 64 bits (mdb.c: MDB_meta, MDB_db, MDB_page, MDB_node).
 * Memory is a bit for each page; time is one pass over the file.
 */
#ifndef SENSE_SPOOL_CHECK_H
#define SENSE_SPOOL_CHECK_H

#include <stddef.h>

enum sense_check {
	SENSE_CHECK_GOOD,
	SENSE_CHECK_DAMAGED, /* `why` says what is wrong with it */
	SENSE_CHECK_FAILED   /* could not be found out: no memory, no right to read it, ... */
};

enum sense_check sense_check_store(const char *path, char *why, size_t cap);
enum sense_check sense_check_fd(int fd, char *why, size_t cap);

#endif
