#include "core/catalogue/catalogue.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include "core/catalogue/internal.h"
#include "core/catalogue/tsv.h"

#define ARENA_MAX (32u << 20)

const char *const sense_grades[] = {"A", "B", "C", "D", "U", NULL};

sense_catalogue *sense_catalogue_new(sense_error *err)
{
	sense_catalogue *catalogue = calloc(1, sizeof *catalogue);
	enum sense_status status = catalogue ? SENSE_OK : SENSE_E_MEMORY;
	if (status)
		goto out;
	sense_arena_init(&catalogue->arena, ARENA_MAX);
	catalogue->version = "";
	status = sense_namemap_init(&catalogue->label_names, &catalogue->arena,
	                            SENSE_CATALOGUE_LABELS_MAX);
	catalogue->labels =
	    sense_arena_alloc(&catalogue->arena, SENSE_CATALOGUE_LABELS_MAX * sizeof(char *));
	if (!catalogue->labels)
		status = SENSE_E_MEMORY;
out:
	if (status) {
		sense_fail(err, status, "catalogue", "out of memory");
		sense_catalogue_free(catalogue);
		return NULL;
	}
	return catalogue;
}

void sense_catalogue_free(sense_catalogue *catalogue)
{
	if (!catalogue)
		return;
	sense_arena_fini(&catalogue->arena);
	free(catalogue);
}

int sense_catalogue_label_put(sense_catalogue *catalogue, const char *label)
{
	int number = sense_namemap_put(&catalogue->label_names, label, strlen(label));
	if (number >= 0 && !catalogue->labels[number])
		catalogue->labels[number] = label;
	return number;
}

unsigned sense_catalogue_line_count(const char *text, size_t len)
{
	unsigned lines = 1;
	for (const char *p = text; (p = memchr(p, '\n', len - (size_t)(p - text))); p++)
		lines++;
	return lines < SENSE_TSV_ROWS_MAX ? lines : SENSE_TSV_ROWS_MAX;
}

/* ---- files ----------------------------------------------------------------------------------- */

enum sense_status sense_catalogue_file(struct sense_arena *arena, const char *path, char **text,
                                       size_t *len, sense_error *err)
{
	enum sense_status status = SENSE_OK;
	struct stat st;
	int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
	if (fd < 0)
		return sense_fail_errno(err, "catalogue", "cannot open %s", path);
	if (fstat(fd, &st) || !S_ISREG(st.st_mode)) {
		status = sense_fail(err, SENSE_E_IO, "catalogue", "%s is not a regular file", path);
		goto out;
	}
	if (st.st_size > SENSE_TSV_BYTES_MAX) {
		status = sense_fail(err, SENSE_E_LIMIT, "catalogue", "%s has %lld bytes; at most %u are taken",
		                    path, (long long)st.st_size, SENSE_TSV_BYTES_MAX);
		goto out;
	}
	*text = sense_arena_alloc(arena, (size_t)st.st_size + 1);
	if (!*text) {
		status = sense_fail(err, SENSE_E_MEMORY, "catalogue", "out of memory for %s", path);
		goto out;
	}
	for (*len = 0; *len < (size_t)st.st_size;) {
		ssize_t n = read(fd, *text + *len, (size_t)st.st_size - *len);
		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			status = sense_fail_errno(err, "catalogue", "cannot read %s", path);
		if (n <= 0)
			break;
		*len += (size_t)n;
	}
out:
	close(fd);
	return status;
}

/* One line: the number of the format, a blank, and the version, which is any word. */
static enum sense_status version_add(sense_catalogue *catalogue, const char *name, char *text,
                                     size_t len, sense_error *err)
{
	char *end;
	/* The file was read: the analyzer does not know that sense_fail never returns SENSE_OK. */
	/* NOLINTNEXTLINE(clang-analyzer-core.NullDereference) */
	unsigned long format = text[0] >= '0' && text[0] <= '9' ? strtoul(text, &end, 10) : 0;
	if (!format || *end != ' ')
		return sense_fail(err, SENSE_E_FORMAT, "catalogue",
		                  "%s:1: expected the number of the format and the version, as in "
		                  "'%u 2026-11-22.1'",
		                  name, SENSE_CATALOGUE_FORMAT);
	if (format != SENSE_CATALOGUE_FORMAT)
		return sense_fail(err, SENSE_E_VERSION, "catalogue",
		                  "%s:1: catalogue of format %lu; this build reads format %u", name, format,
		                  SENSE_CATALOGUE_FORMAT);
	char *version = end + 1;
	size_t size = strcspn(version, "\n");
	if (!size || size > 63 || version + size + (version[size] == '\n') != text + len ||
	    strspn(version, "0123456789abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ.-_+") != size)
		return sense_fail(err, SENSE_E_FORMAT, "catalogue",
		                  "%s:1: the version must be one word of at most 63 letters, digits, "
		                  "'.', '-', '_' or '+', alone in the file", name);
	version[size] = '\0';
	catalogue->version = version;
	return SENSE_OK;
}

sense_catalogue *sense_catalogue_load(const char *dir, sense_error *err)
{
	static const struct {
		const char *file;
		enum sense_status (*add)(sense_catalogue *, const char *, char *, size_t, sense_error *);
	} parts[] = {{"VERSION", version_add},
	             {"services.tsv", sense_catalogue_add_services},
	             {"runtimes.tsv", sense_catalogue_add_runtimes},
	             {"wire.tsv", sense_catalogue_add_wire}};
	enum sense_status status = SENSE_OK;
	sense_catalogue *catalogue = sense_catalogue_new(err);
	if (!catalogue)
		return NULL;
	for (unsigned i = 0; !status && i < sizeof parts / sizeof *parts; i++) {
		char path[4096];
		char *text = NULL;
		size_t len = 0;
		int n = snprintf(path, sizeof path, "%s/%s", dir, parts[i].file);
		if (n < 0 || (size_t)n >= sizeof path)
			status = sense_fail(err, SENSE_E_IO, "catalogue", "path too long: %s", dir);
		else
			status = sense_catalogue_file(&catalogue->arena, path, &text, &len, err);
		if (!status)
			status = parts[i].add(catalogue, path, text, len, err);
	}
	if (status) {
		sense_catalogue_free(catalogue);
		return NULL;
	}
	return catalogue;
}

/* ---- questions ------------------------------------------------------------------------------- */

const char *sense_catalogue_version(const sense_catalogue *catalogue)
{
	return catalogue->version;
}

const struct sense_host_row *sense_catalogue_host(const sense_catalogue *catalogue, const char *host,
                                                  size_t len)
{
	unsigned row = catalogue->row_count ? sense_hosts_find(&catalogue->hosts, host, len) : 0;
	return row ? &catalogue->rows[row - 1] : NULL;
}

const struct sense_host_row *sense_catalogue_row(const sense_catalogue *catalogue, unsigned index)
{
	return index < catalogue->row_count ? &catalogue->rows[index] : NULL;
}

unsigned sense_catalogue_row_count(const sense_catalogue *catalogue)
{
	return catalogue->row_count;
}

const struct sense_service *sense_catalogue_service(const sense_catalogue *catalogue, const char *id)
{
	if (!catalogue->services)
		return NULL;
	int number = sense_namemap_find(&catalogue->service_ids, id, strlen(id));
	return number >= 0 ? &catalogue->services[number] : NULL;
}

const char *sense_catalogue_label(const sense_catalogue *catalogue, unsigned label)
{
	return label < catalogue->label_names.count ? catalogue->labels[label] : NULL;
}
