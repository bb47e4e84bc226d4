#include "proto/bundle.h"

static bool is_name_char(char c)
{
	return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '_' ||
	       c == '-' || c == '.';
}

bool sense_wire_bundle_is_name(const char *name, size_t len)
{
	/* A part of the path does, which then is neither empty nor hidden, nor leads upwards. */
	bool begins = true;

	if (len > SENSE_WIRE_BUNDLE_NAME_MAX)
		return false;
	for (size_t i = 0; i < len; i++) {
		if (begins ? name[i] == '.' || !is_name_char(name[i])
		           : name[i] != '/' && !is_name_char(name[i]))
			return false;
		begins = name[i] == '/';
	}
	return !begins;
}

static bool ascends(const struct sense_wire_key *last, const char *name, size_t len)
{
	int order = memcmp(last->text, name, last->len < len ? last->len : len);
	return order < 0 || (!order && last->len < len);
}

/* ---- writing ------------------------------------------------------------------------------------------- */

void sense_wire_bundle_put(struct sense_wire_bundle_writer *bundle, uint32_t count)
{
	bundle->writer.len = 0;
	bundle->writer.full = count > SENSE_WIRE_BUNDLE_FILES_MAX;
	bundle->last = (struct sense_wire_key){"", 0};
	bundle->left = count;
	bundle->texts = 0;
	sense_wire_put_map(&bundle->writer, 2);
	sense_wire_put_string(&bundle->writer, "format");
	sense_wire_put_uint(&bundle->writer, SENSE_WIRE_BUNDLE_FORMAT);
	sense_wire_put_string(&bundle->writer, "files");
	sense_wire_put_array(&bundle->writer, count);
}

void sense_wire_bundle_put_file(struct sense_wire_bundle_writer *bundle, const char *name, const void *text,
                                size_t len)
{
	struct sense_wire_writer *writer = &bundle->writer;
	size_t name_len = strlen(name);

	if (!bundle->left || !sense_wire_bundle_is_name(name, name_len) ||
	    !ascends(&bundle->last, name, name_len) || len > SENSE_WIRE_BUNDLE_TEXT_MAX ||
	    len > SENSE_WIRE_BUNDLE_TEXTS_MAX - bundle->texts) {
		writer->full = true;
		return;
	}
	sense_wire_put_array(writer, 2);
	sense_wire_put_text(writer, name, name_len);
	if (writer->full)
		return;
	bundle->last = (struct sense_wire_key){(const char *)writer->data + writer->len - name_len, name_len};
	sense_wire_put_bytes(writer, len ? text : "", len);
	bundle->texts += len;
	bundle->left--;
}

size_t sense_wire_bundle_end(const struct sense_wire_bundle_writer *bundle)
{
	return bundle->writer.full || bundle->left ? 0 : bundle->writer.len;
}

/* ---- reading ------------------------------------------------------------------------------------------- */

/* The key that has to come next: the order is part of the form. */
static bool take_key(struct sense_wire_reader *reader, const char *name)
{
	struct sense_wire_key key;
	return sense_wire_get_key(reader, &key) &&
	       (sense_wire_is(&key, name) ||
	        sense_wire_fail(reader, "has a member that is not known, or not in its place"));
}

static bool take_head(struct sense_wire_reader *reader, uint32_t *count)
{
	uint64_t format;
	uint32_t members;

	if (!sense_wire_get_map(reader, &members) || !take_key(reader, "format") ||
	    !sense_wire_get_uint(reader, UINT64_MAX, &format))
		return false;
	if (format != SENSE_WIRE_BUNDLE_FORMAT || members != 2)
		return sense_wire_fail(reader, "is of a format that is not known here");
	if (!take_key(reader, "files") || !sense_wire_get_array(reader, count))
		return false;
	return *count <= SENSE_WIRE_BUNDLE_FILES_MAX || sense_wire_fail(reader, "has too many files");
}

static bool ends(struct sense_wire_bundle *bundle)
{
	return bundle->left || bundle->reader.at == bundle->reader.end ||
	       sense_wire_fail(&bundle->reader, "has bytes behind its end");
}

bool sense_wire_bundle_get(struct sense_wire_bundle *bundle, const uint8_t *data, size_t len)
{
	*bundle = (struct sense_wire_bundle){.reader = {.at = data, .end = data + len}, .last = {"", 0}};
	if (len > SENSE_WIRE_BUNDLE_MAX)
		return sense_wire_fail(&bundle->reader, "is larger than a bundle may be");
	if (!take_head(&bundle->reader, &bundle->count))
		return false;
	bundle->left = bundle->count;
	return ends(bundle);
}

static bool take_file(struct sense_wire_bundle *bundle, struct sense_wire_bundle_file *out)
{
	struct sense_wire_reader *reader = &bundle->reader;
	uint32_t parts;

	if (!sense_wire_get_array(reader, &parts))
		return false;
	if (parts != 2)
		return sense_wire_fail(reader, "has a file that is not a name and a text");
	if (!sense_wire_get_key(reader, &out->name))
		return false;
	if (!sense_wire_bundle_is_name(out->name.text, out->name.len))
		return sense_wire_fail(reader, "has a file whose name may not be");
	if (!ascends(&bundle->last, out->name.text, out->name.len))
		return sense_wire_fail(reader, "has files out of order, or one twice");
	if (!sense_wire_get_span(reader, SENSE_WIRE_BUNDLE_TEXT_MAX, &out->text, &out->len))
		return false;
	if (out->len > SENSE_WIRE_BUNDLE_TEXTS_MAX - bundle->texts)
		return sense_wire_fail(reader, "has more text than a bundle may have");
	bundle->texts += out->len;
	bundle->last = out->name;
	bundle->left--;
	return ends(bundle);
}

bool sense_wire_bundle_next(struct sense_wire_bundle *bundle, struct sense_wire_bundle_file *out)
{
	return !bundle->reader.why && bundle->left && take_file(bundle, out);
}

bool sense_wire_bundle_check(const uint8_t *data, size_t len, uint32_t *count, const char **why)
{
	struct sense_wire_bundle bundle;
	struct sense_wire_bundle_file file;

	if (sense_wire_bundle_get(&bundle, data, len))
		while (sense_wire_bundle_next(&bundle, &file))
			;
	*count = bundle.count;
	*why = bundle.reader.why;
	return !*why;
}
