/*
 * A plugin of a JetBrains IDE: DIRECTORY/lib/NAME.jar, of which one holds META-INF/plugin.xml. Its
 * directory's name is no id, so jars are opened: 32 at most, and of each what leads to that one file.
 */
#include "files.h"

#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "jar.h"

#define JARS_MAX 32u

/* Exactly len bytes, or NULL. */
static uint8_t *read_at(struct files *files, int fd, uint64_t offset, size_t len)
{
	uint8_t *bytes = malloc(len + 1);
	files->work += 1 + (unsigned)(len >> 14);
	if (bytes && pread(fd, bytes, len, (off_t)offset) != (ssize_t)len) {
		free(bytes);
		return NULL;
	}
	return bytes;
}

/* The entry of plugin.xml in the jar's directory. */
static bool find_entry(struct files *files, int fd, uint64_t size, struct jar_entry *entry)
{
	size_t len = size < JAR_TAIL_MAX ? (size_t)size : JAR_TAIL_MAX;
	uint64_t offset;
	uint32_t length;
	uint8_t *tail = read_at(files, fd, size - len, len), *directory = NULL;
	bool found = tail && jar_directory(tail, len, size, &offset, &length) &&
	             (directory = read_at(files, fd, offset, length)) &&
	             jar_find(directory, length, "META-INF/plugin.xml", entry) &&
	             entry->offset + JAR_LOCAL <= size;
	free(tail);
	free(directory);
	return found;
}

static bool read_jar(struct files *files, int fd, uint64_t size, char *id, char *version, size_t room)
{
	struct jar_entry entry;
	bool found = false;
	size_t data = 0;
	if (!find_entry(files, fd, size, &entry))
		return false;
	uint8_t *local = read_at(files, fd, entry.offset, JAR_LOCAL), *packed = NULL;
	uint8_t *xml = malloc(entry.size);
	if (local && xml && (data = jar_data(local)) != 0)
		packed = read_at(files, fd, entry.offset + data, entry.packed);
	if (packed && jar_unpack(&entry, packed, xml))
		found = jar_plugin((const char *)xml, entry.size, id, version, room);
	free(local);
	free(packed);
	free(xml);
	return found;
}

static bool open_jar(struct files *files, int lib, const char *name, char *id, char *version, size_t room)
{
	struct stat st;
	int fd = openat(lib, name, O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_NOCTTY | O_CLOEXEC);
	files->work += 3;
	bool found = fd >= 0 && !fstat(fd, &st) && S_ISREG(st.st_mode) && st.st_size > 0 &&
	             read_jar(files, fd, (uint64_t)st.st_size, id, version, room);
	if (fd >= 0)
		close(fd);
	return found;
}

bool jetbrains_plugin(struct files *files, const struct found *found, char *id, char *version, size_t room)
{
	char rel[300];
	const struct dirent *entry;
	bool known = false;
	snprintf(rel, sizeof rel, "%s/lib", found->name);
	int fd = open_beneath(found->parent, rel, O_DIRECTORY | O_NOFOLLOW);
	DIR *dir = fd < 0 ? NULL : fdopendir(fd);
	files->work += 3;
	if (!dir) {
		if (fd >= 0)
			close(fd);
		return false;
	}
	for (unsigned i = 0; i < JARS_MAX && !known && (entry = readdir(dir)); i++) {
		size_t n = strlen(entry->d_name);
		if (n > 4 && !strcmp(entry->d_name + n - 4, ".jar") && entry->d_type != DT_FIFO)
			known = open_jar(files, dirfd(dir), entry->d_name, id, version, room);
	}
	closedir(dir);
	return known;
}
