/*
 * jar.h - the one file of a JetBrains plugin's jar that says what it is: META-INF/plugin.xml. Bytes in,
 * structs out, no I/O; what is to be read next, the caller is told. Format: zip without ZIP64
 * (APPNOTE.TXT 6.3), stored or deflated (RFC 1951, by zlib). Of the XML only the first <id> and <version> are
 * looked for.
 */
#ifndef SENSE_PLUGIN_FILES_JAR_H
#define SENSE_PLUGIN_FILES_JAR_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define JAR_TAIL_MAX (64u << 10)     /* bytes at the end in which the end record is looked for */
#define JAR_DIRECTORY_MAX (1u << 20) /* of the directory of files */
#define JAR_FILE_MAX (256u << 10)    /* of plugin.xml, packed and unpacked */
#define JAR_LOCAL 30u                /* bytes before the name of a packed file */

struct jar_entry {
	uint64_t offset; /* of its local header */
	uint32_t packed, size;
	uint16_t method;
};

/* tail: the last bytes of a file of `size` bytes. */
bool jar_directory(const uint8_t *tail, size_t len, uint64_t size, uint64_t *offset, uint32_t *length);
bool jar_find(const uint8_t *directory, size_t len, const char *name, struct jar_entry *entry);
/* How far behind the local header the packed bytes begin; 0: it is none. */
size_t jar_data(const uint8_t local[JAR_LOCAL]);
/* Into out, entry->size bytes; false: they are not what they claim to be. */
bool jar_unpack(const struct jar_entry *entry, const uint8_t *packed, uint8_t *out);
bool jar_plugin(const char *xml, size_t len, char *id, char *version, size_t room);

#endif
