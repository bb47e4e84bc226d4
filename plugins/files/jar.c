/* plugin.xml of a jar. */
#include "jar.h"

#include <stdio.h>
#include <string.h>
#include <zlib.h>

#define END_RECORD 22u
#define CENTRAL 46u

static uint32_t get16(const uint8_t *at)
{
	return (uint32_t)at[0] | (uint32_t)at[1] << 8;
}

static uint32_t get32(const uint8_t *at)
{
	return get16(at) | get16(at + 2) << 16;
}

bool jar_directory(const uint8_t *tail, size_t len, uint64_t size, uint64_t *offset, uint32_t *length)
{
	for (size_t at = len < END_RECORD ? 0 : len - END_RECORD + 1; at; at--) {
		const uint8_t *end = tail + at - 1;
		if (memcmp(end, "PK\5\6", 4))
			continue;
		*length = get32(end + 12);
		*offset = get32(end + 16);
		return *length >= CENTRAL && *length <= JAR_DIRECTORY_MAX && *offset + *length <= size;
	}
	return false;
}

bool jar_find(const uint8_t *directory, size_t len, const char *name, struct jar_entry *entry)
{
	size_t n = strlen(name);
	for (size_t at = 0; len - at >= CENTRAL && !memcmp(directory + at, "PK\1\2", 4);) {
		const uint8_t *header = directory + at;
		size_t named = get16(header + 28),
		       whole = CENTRAL + named + get16(header + 30) + get16(header + 32);
		if (whole > len - at)
			return false;
		if (named == n && !memcmp(header + CENTRAL, name, n)) {
			*entry = (struct jar_entry){.offset = get32(header + 42),
			                            .packed = get32(header + 20),
			                            .size = get32(header + 24),
			                            .method = (uint16_t)get16(header + 10)};
			return entry->packed && entry->size && entry->packed <= JAR_FILE_MAX &&
			       entry->size <= JAR_FILE_MAX;
		}
		at += whole;
	}
	return false;
}

size_t jar_data(const uint8_t local[JAR_LOCAL])
{
	return memcmp(local, "PK\3\4", 4) ? 0 : JAR_LOCAL + get16(local + 26) + get16(local + 28);
}

bool jar_unpack(const struct jar_entry *entry, const uint8_t *packed, uint8_t *out)
{
	z_stream stream = {
	    .next_in = (Bytef *)packed, .avail_in = entry->packed, .next_out = out, .avail_out = entry->size};
	if (entry->method == 0 && entry->packed == entry->size) {
		memcpy(out, packed, entry->size);
		return true;
	}
	if (entry->method != 8 || inflateInit2(&stream, -MAX_WBITS) != Z_OK)
		return false;
	int status = inflate(&stream, Z_FINISH);
	inflateEnd(&stream);
	return status == Z_STREAM_END && !stream.avail_out;
}

/* What stands between the first <tag> and its end, without blanks around it. */
static bool element(const char *xml, size_t len, const char *tag, char *out, size_t room)
{
	char open[32];
	snprintf(open, sizeof open, "<%s>", tag);
	const char *begin = memmem(xml, len, open, strlen(open));
	if (!begin)
		return false;
	begin += strlen(open);
	const char *end = memchr(begin, '<', (size_t)(xml + len - begin));
	while (end && begin < end && strchr(" \t\r\n", *begin))
		begin++;
	while (end && end > begin && strchr(" \t\r\n", end[-1]))
		end--;
	if (!end || end == begin || memchr(begin, '\0', (size_t)(end - begin)))
		return false;
	snprintf(out, room, "%.*s", (int)(end - begin), begin);
	return true;
}

bool jar_plugin(const char *xml, size_t len, char *id, char *version, size_t room)
{
	version[0] = '\0';
	element(xml, len, "version", version, room);
	return element(xml, len, "id", id, room);
}
