/* What the tests of the spool share: numbered findings, directories that go away again. */
#ifndef SENSE_T_SPOOL_H
#define SENSE_T_SPOOL_H

#include <dirent.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "core/spool/spool.h"

/* Finding number n, about so large when it is encoded. Summaries are static: one finding at a time. */
__attribute__((unused)) static struct sense_finding numbered(uint64_t n, const char *severity, size_t size)
{
	static char summary[SENSE_FINDING_BYTES_MAX];
	struct sense_finding finding = {
	    .timestamp = 1700000000000000 + n, .severity = severity, .rule = "test.rule", .summary = summary};
	memset(summary, 'x', sizeof summary);
	summary[size > 100 ? size - 100 : 0] = '\0';
	finding.id[6] = 0x75;
	finding.id[7] = 0xa3;
	for (unsigned i = 0; i < 8; i++)
		finding.id[15 - i] = (uint8_t)(n >> 8 * i);
	return finding;
}

/* Its number again; the finding must decode. UINT64_MAX: it does not. */
__attribute__((unused)) static uint64_t number_of(const struct sense_spool_item *item)
{
	static char storage[SENSE_FINDING_BYTES_MAX];
	struct sense_finding finding;
	const char *why;
	uint64_t n = 0;
	if (!sense_finding_decode(item->bytes, item->len, storage, sizeof storage, &finding, &why))
		return UINT64_MAX;
	for (unsigned i = 0; i < 8; i++)
		n = n << 8 | finding.id[8 + i];
	return n;
}

__attribute__((unused)) static enum sense_status put_number(sense_spool *spool, uint64_t n,
                                                            const char *severity, size_t size, bool *known)
{
	bool before;
	struct sense_finding finding = numbered(n, severity, size);
	return sense_spool_put(spool, &finding, known ? known : &before, NULL);
}

/* The numbers that are kept, in their order: "1 2 3". */
__attribute__((unused)) static const char *kept(sense_spool *spool)
{
	static char text[4096];
	size_t at = 0;
	struct sense_spool_item item;
	text[0] = '\0';
	for (uint64_t after = 0; sense_spool_next(spool, after, &item) && at < sizeof text - 32;
	     after = item.sequence)
		at += (size_t)snprintf(text + at, sizeof text - at, "%s%llu", at ? " " : "",
		                       (unsigned long long)number_of(&item));
	return text;
}

/* Things in a directory whose names begin so. */
__attribute__((unused)) static unsigned entries(const char *dir, const char *prefix)
{
	unsigned count = 0;
	DIR *open = opendir(dir);
	for (struct dirent *entry; open && (entry = readdir(open));)
		count += entry->d_name[0] != '.' && !strncmp(entry->d_name, prefix, strlen(prefix));
	if (open)
		closedir(open);
	return count;
}

__attribute__((unused)) static void remove_all(const char *dir)
{
	char path[4096];
	DIR *open = opendir(dir);
	for (struct dirent *entry; open && (entry = readdir(open));) {
		snprintf(path, sizeof path, "%.3000s/%s", dir, entry->d_name);
		if (strcmp(entry->d_name, ".") && strcmp(entry->d_name, "..") && unlink(path))
			rmdir(path);
	}
	if (open)
		closedir(open);
	rmdir(dir);
}

__attribute__((unused)) static bool file_write(const char *path, const void *bytes, size_t len)
{
	int fd = open(path, O_WRONLY | O_CREAT | O_TRUNC, 0600);
	bool good = fd >= 0 && write(fd, bytes, len) == (ssize_t)len;
	if (fd >= 0)
		close(fd);
	return good;
}

/* The bytes of a file, to be freed. */
__attribute__((unused)) static uint8_t *file_read(const char *path, size_t *len)
{
	struct stat st;
	int fd = open(path, O_RDONLY);
	uint8_t *bytes = fd >= 0 && !fstat(fd, &st) ? malloc((size_t)st.st_size + 1) : NULL;
	*len = bytes ? (size_t)st.st_size : 0;
	if (bytes && read(fd, bytes, *len) != (ssize_t)*len)
		*len = 0;
	if (fd >= 0)
		close(fd);
	return bytes;
}

#endif
