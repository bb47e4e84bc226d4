#include "server/policy/pack.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <openssl/evp.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include "core/base/file.h"
#include "proto/hex.h"

/* Of a file in a bundle: its path below the directory. out holds a name's bytes and more. */
static void name_of(const struct sense_policy_source *source, char out[PATH_MAX])
{
	snprintf(out, PATH_MAX, "%s.lua", source->name);
}

/* ---- reading ------------------------------------------------------------------------------------------ */

/* By the bytes of whole paths, as a bundle has them: "a-b.lua" comes before "a/b.lua". */
static int by_name(const void *a, const void *b)
{
	char one[PATH_MAX], other[PATH_MAX];
	name_of(a, one);
	name_of(b, other);
	return strcmp(one, other);
}

enum sense_status sense_pack_read(const char *dir, struct sense_policy_sources *out, sense_error *err)
{
	char name[PATH_MAX];
	unsigned before = out->count;
	enum sense_status status = sense_policy_read(out, dir, err);
	if (status)
		return status;
	if (out->count == before)
		return sense_fail(err, SENSE_E_CONFIG, "policy", "%s: no policies (*.lua) there", dir);
	qsort(out->items, out->count, sizeof *out->items, by_name);
	for (unsigned i = 0; i < out->count; i++) {
		name_of(&out->items[i], name);
		if (!sense_wire_bundle_is_name(name, strlen(name)))
			return sense_fail(
			    err, SENSE_E_CONFIG, "policy",
			    "%s: agents take files of at most %u bytes of A-Z a-z 0-9 _ . - and / in their "
			    "path: name it otherwise",
			    out->items[i].file, SENSE_WIRE_BUNDLE_NAME_MAX);
	}
	return SENSE_OK;
}

/* ---- packing ------------------------------------------------------------------------------------------ */

static bool hash_make(struct sense_pack *pack)
{
	unsigned len = sizeof pack->hash;
	return EVP_Digest(pack->bytes, pack->len, pack->hash, &len, EVP_sha256(), NULL) == 1;
}

static enum sense_status no_memory(sense_error *err)
{
	return sense_fail(err, SENSE_E_MEMORY, "policy", "no memory for the bundle");
}

enum sense_status sense_pack_make(const struct sense_policy_sources *sources, struct sense_pack *out,
                                  sense_error *err)
{
	char name[PATH_MAX];
	size_t cap = 64;
	*out = (struct sense_pack){.files = sources->count};
	for (unsigned i = 0; i < sources->count; i++)
		cap += sources->items[i].len + SENSE_WIRE_BUNDLE_NAME_MAX + 8;
	out->bytes = malloc(cap);
	if (!out->bytes)
		return no_memory(err);
	struct sense_wire_bundle_writer bundle = {.writer = {.data = out->bytes, .cap = cap}};
	sense_wire_bundle_put(&bundle, sources->count);
	for (unsigned i = 0; i < sources->count; i++) {
		name_of(&sources->items[i], name);
		sense_wire_bundle_put_file(&bundle, name, sources->items[i].text, sources->items[i].len);
	}
	out->len = sense_wire_bundle_end(&bundle);
	if (out->len && hash_make(out))
		return SENSE_OK;
	sense_pack_fini(out);
	return sense_fail(err, SENSE_E_LIMIT, "policy", "these files do not go into one bundle");
}

enum sense_status sense_pack_take(const uint8_t *bytes, size_t len, const uint8_t hash[SENSE_PACK_HASH],
                                  struct sense_pack *out, sense_error *err)
{
	const char *why;
	uint32_t files = 0;
	*out = (struct sense_pack){.bytes = malloc(len + 1), .len = len};
	if (!out->bytes)
		return no_memory(err);
	memcpy(out->bytes, bytes, len);
	bool good = sense_wire_bundle_check(bytes, len, &files, &why);
	out->files = files;
	if (good && hash_make(out) && !memcmp(out->hash, hash, sizeof out->hash))
		return SENSE_OK;
	sense_pack_fini(out);
	return sense_fail(err, SENSE_E_FORMAT, "policy", "the bundle that is kept is damaged: it %s",
	                  good ? "is not the one of its hash" : why);
}

void sense_pack_fini(struct sense_pack *pack)
{
	free(pack->bytes);
	*pack = (struct sense_pack){0};
}

void sense_pack_hex(const uint8_t hash[SENSE_PACK_HASH], char out[SENSE_PACK_HEX])
{
	sense_hex_text(hash, SENSE_PACK_HASH, out);
}

/* ---- writing its files -------------------------------------------------------------------------------- */

static enum sense_status dir_take(const char *dir, sense_error *err)
{
	if (mkdir(dir, 0755) && errno != EEXIST)
		return sense_fail_errno(err, "policy", "cannot make %s", dir);
	DIR *open = opendir(dir);
	if (!open)
		return sense_fail_errno(err, "policy", "cannot read %s", dir);
	unsigned entries = 0;
	for (const struct dirent *entry; (entry = readdir(open));)
		entries += strcmp(entry->d_name, ".") && strcmp(entry->d_name, "..");
	closedir(open);
	return entries
	         ? sense_fail(err, SENSE_E_CONFIG, "policy", "%s is not empty: nothing is written over", dir)
	         : SENSE_OK;
}

/* The folders of a file, below dir. */
static bool parents_make(char *path, size_t dir_len)
{
	for (char *c = path + dir_len + 1; (c = strchr(c, '/')); c++) {
		*c = '\0';
		bool made = !mkdir(path, 0755) || errno == EEXIST;
		*c = '/';
		if (!made)
			return false;
	}
	return true;
}

static enum sense_status file_write(const char *dir, const struct sense_wire_bundle_file *file,
                                    sense_error *err)
{
	char path[PATH_MAX];
	int len = snprintf(path, sizeof path, "%s/%.*s", dir, (int)file->name.len, file->name.text);
	if (len < 0 || (size_t)len >= sizeof path)
		return sense_fail(err, SENSE_E_LIMIT, "policy", "%s: the path is too long", dir);
	int fd = parents_make(path, strlen(dir))
	           ? open(path, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0644)
	           : -1;
	bool good = fd >= 0 && sense_file_write_all(fd, file->text, file->len);
	enum sense_status status = good ? SENSE_OK : sense_fail_errno(err, "policy", "cannot write %s", path);
	if (fd >= 0 && close(fd) && !status)
		status = sense_fail_errno(err, "policy", "cannot write %s", path);
	return status;
}

/* Reads back what was written: a bundle may hold files that no directory gives. */
static enum sense_status same_again(const struct sense_pack *pack, const char *dir, sense_error *err)
{
	struct sense_policy_sources sources;
	struct sense_pack again = {0};
	sense_policy_sources_init(&sources);
	enum sense_status status = sense_pack_read(dir, &sources, err);
	if (!status)
		status = sense_pack_make(&sources, &again, err);
	if (!status && memcmp(pack->hash, again.hash, sizeof pack->hash))
		status = sense_fail(err, SENSE_E_INTERNAL, "policy",
		                    "%s: what stands there does not give the bundle again", dir);
	sense_pack_fini(&again);
	sense_policy_sources_fini(&sources);
	return status;
}

enum sense_status sense_pack_write(const struct sense_pack *pack, const char *dir, sense_error *err)
{
	struct sense_wire_bundle bundle;
	struct sense_wire_bundle_file file;
	enum sense_status status = dir_take(dir, err);
	sense_wire_bundle_get(&bundle, pack->bytes, pack->len);
	while (!status && sense_wire_bundle_next(&bundle, &file))
		status = file_write(dir, &file, err);
	return status ? status : same_again(pack, dir, err);
}
