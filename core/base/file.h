/*
 * Files that must be whole, and must be there after a power failure.
 */
#ifndef SENSE_BASE_FILE_H
#define SENSE_BASE_FILE_H

#include <stdbool.h>
#include <stddef.h>

/* All of it, however often the system is interrupted. False: see errno. */
bool sense_file_write_all(int fd, const void *data, size_t len);
/* A new name, or one that is gone, is so on disk only when the directory that holds it is. False: see errno. */
bool sense_file_sync_parent(const char *path);

#endif
