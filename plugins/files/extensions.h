/*
 * extensions.h - what manifests and directories of extensions and packages say. Bytes and names in, structs
 * out, no I/O. Formats: manifest.json of Chrome extensions (the same members name a version in npm's
 * package.json), messages.json of its translations, extensions.json of Firefox.
 */
#ifndef SENSE_PLUGIN_FILES_EXTENSIONS_H
#define SENSE_PLUGIN_FILES_EXTENSIONS_H

#include <stdbool.h>
#include <stddef.h>

#define MANIFEST_MAX (256u << 10)

struct extension {
	char name[128];
	char version[64];
	char message[64]; /* the name is this message of the locale */
	char locale[16];
};

bool extension_manifest(const char *text, size_t len, struct extension *extension);
/* Fills the name. */
bool extension_message(const char *text, size_t len, struct extension *extension);
/* The id in a path .../Extensions/ID/VERSION/manifest.json; else "". */
void extension_id(const char *path, char *id, size_t room);
/* Each add-on of a profile, 1024 at most; false: the file is none. */
bool extension_addons(const char *text, size_t len,
                      void (*each)(void *self, const char *id, const struct extension *extension),
                      void *self);

#endif
