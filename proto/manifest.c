#include "proto/manifest.h"

#include "proto/bundle.h"

static const char *const modes[] = {"enforce", "observe"};

/* Of all but params. */
#define HEAD_MAX 256u

/* ---- params -------------------------------------------------------------------------------------------- */

/* An array or a map that has been begun. */
struct level {
	uint32_t left;
	bool map;
	struct sense_wire_key last;
};

struct walk {
	struct sense_wire_reader *reader;
	struct level levels[SENSE_MANIFEST_DEPTH_MAX];
	unsigned depth;
};

static bool is_text(const struct sense_wire_key *text)
{
	for (size_t i = 0, size; i < text->len; i += size) {
		size = sense_utf8_char(text->text + i, text->len - i);
		if (!size || !text->text[i])
			return false;
	}
	return true;
}

static bool take_text(struct sense_wire_reader *reader, struct sense_wire_key *text)
{
	if (!sense_wire_get_key(reader, text))
		return false;
	return is_text(text) || sense_wire_fail(reader, "has a string that is not UTF-8 text");
}

static bool take_key(struct sense_wire_reader *reader, struct level *level)
{
	struct sense_wire_key key;

	if (!take_text(reader, &key))
		return false;
	size_t common = key.len < level->last.len ? key.len : level->last.len;
	int order = level->last.text ? memcmp(level->last.text, key.text, common) : -1;
	level->last = key;
	return order < 0 || (!order && common < key.len) ||
	       sense_wire_fail(reader, "has keys out of order, or one twice");
}

static bool nest(struct walk *walk, bool map)
{
	struct level level = {.map = map};

	if (walk->depth == SENSE_MANIFEST_DEPTH_MAX)
		return sense_wire_fail(walk->reader, "is nested too deeply");
	if (!(map ? sense_wire_get_map(walk->reader, &level.left)
	          : sense_wire_get_array(walk->reader, &level.left)))
		return false;
	walk->levels[walk->depth++] = level;
	return true;
}

static bool take_value(struct walk *walk)
{
	struct sense_wire_key text;
	double number;
	bool boolean;

	switch (sense_wire_kind(walk->reader)) {
	case SENSE_WIRE_KIND_STRING:
		return take_text(walk->reader, &text);
	case SENSE_WIRE_KIND_NUMBER:
		return sense_wire_get_number(walk->reader, &number);
	case SENSE_WIRE_KIND_BOOL:
		return sense_wire_get_bool(walk->reader, &boolean);
	case SENSE_WIRE_KIND_MAP:
		return nest(walk, true);
	case SENSE_WIRE_KIND_ARRAY:
		return nest(walk, false);
	case SENSE_WIRE_KIND_END:
		return sense_wire_fail(walk->reader, "ends early");
	default:
		return sense_wire_fail(walk->reader,
		                       "has a setting that is no text, number, boolean, list or map");
	}
}

/* With a stack of its own: nothing here recurses on input. */
static bool take_params(struct sense_wire_reader *reader, struct sense_message_bytes *params)
{
	struct walk walk = {.reader = reader};

	params->data = reader->at;
	if (!nest(&walk, true))
		return false;
	while (walk.depth) {
		struct level *level = &walk.levels[walk.depth - 1];
		if (!level->left) {
			walk.depth--;
			continue;
		}
		level->left--;
		if ((level->map && !take_key(reader, level)) || !take_value(&walk))
			return false;
	}
	params->len = (size_t)(reader->at - params->data);
	return params->len <= SENSE_MANIFEST_PARAMS_MAX || sense_wire_fail(reader, "has too many settings");
}

/* ---- writing ------------------------------------------------------------------------------------------- */

static bool sound(const struct sense_manifest *manifest)
{
	const struct sense_message_bytes *params = &manifest->params;
	struct sense_message_bytes all;

	if (!sense_uuid_is(manifest->organization) || !manifest->generation ||
	    manifest->size > SENSE_WIRE_BUNDLE_MAX || manifest->mode > SENSE_MANIFEST_OBSERVE)
		return false;
	if (!params->data)
		return true;
	struct sense_wire_reader reader = {.at = params->data, .end = params->data + params->len};
	return take_params(&reader, &all) && reader.at == reader.end;
}

static void put_head(struct sense_wire_writer *writer, const struct sense_manifest *manifest)
{
	sense_wire_put_map(writer, manifest->params.data ? 8 : 7);
	sense_wire_put_string(writer, "format");
	sense_wire_put_uint(writer, SENSE_MANIFEST_FORMAT);
	sense_wire_put_string(writer, "organization");
	sense_wire_put_string(writer, manifest->organization);
	sense_wire_put_string(writer, "generation");
	sense_wire_put_uint(writer, manifest->generation);
	sense_wire_put_string(writer, "hash");
	sense_wire_put_bytes(writer, manifest->hash, sizeof(manifest->hash));
	sense_wire_put_string(writer, "size");
	sense_wire_put_uint(writer, manifest->size);
	sense_wire_put_string(writer, "created");
	sense_wire_put_uint(writer, manifest->created);
	sense_wire_put_string(writer, "mode");
	sense_wire_put_string(writer, modes[manifest->mode]);
	if (manifest->params.data)
		sense_wire_put_string(writer, "params");
}

size_t sense_manifest_encode(const struct sense_manifest *manifest, uint8_t *out, size_t cap)
{
	struct sense_wire_writer writer = {.data = out,
	                                   .cap = cap < SENSE_MANIFEST_MAX ? cap : SENSE_MANIFEST_MAX};

	if (!sound(manifest))
		return 0;
	put_head(&writer, manifest);
	sense_wire_put_raw(&writer, manifest->params.data, manifest->params.len);
	return writer.full ? 0 : writer.len;
}

/* ---- reading ------------------------------------------------------------------------------------------- */

static bool expect(struct sense_wire_reader *reader, const char *name)
{
	struct sense_wire_key key;
	return sense_wire_get_key(reader, &key) &&
	       (sense_wire_is(&key, name) ||
	        sense_wire_fail(reader, "has a member that is not known, or not in its place"));
}

static bool take_organization(struct sense_wire_reader *reader, char *out)
{
	struct sense_wire_key text;

	if (!expect(reader, "organization") || !sense_wire_get_key(reader, &text))
		return false;
	if (text.len != 36)
		return sense_wire_fail(reader, "is for an organization that is no UUID");
	memcpy(out, text.text, 36);
	out[36] = '\0';
	return sense_uuid_is(out) ||
	       sense_wire_fail(reader, "is for an organization that is no UUID");
}

static bool take_mode(struct sense_wire_reader *reader, enum sense_manifest_mode *mode)
{
	struct sense_wire_key text;

	if (!expect(reader, "mode") || !sense_wire_get_key(reader, &text))
		return false;
	*mode = sense_wire_is(&text, modes[SENSE_MANIFEST_OBSERVE]) ? SENSE_MANIFEST_OBSERVE
	                                                            : SENSE_MANIFEST_ENFORCE;
	return sense_wire_is(&text, modes[*mode]) || sense_wire_fail(reader, "has a mode that is not known");
}

static bool take_manifest(struct sense_wire_reader *reader, struct sense_manifest *manifest)
{
	uint64_t format;
	uint32_t members;

	if (!sense_wire_get_map(reader, &members) || !expect(reader, "format") ||
	    !sense_wire_get_uint(reader, UINT64_MAX, &format))
		return false;
	if (format != SENSE_MANIFEST_FORMAT)
		return sense_wire_fail(reader, "is of a format that is not known here");
	if (members != 7 && members != 8)
		return sense_wire_fail(reader, "has too few or too many members");
	if (!take_organization(reader, manifest->organization) || !expect(reader, "generation") ||
	    !sense_wire_get_uint(reader, UINT64_MAX, &manifest->generation) || !expect(reader, "hash") ||
	    !sense_wire_get_bytes(reader, manifest->hash, sizeof(manifest->hash)) ||
	    !expect(reader, "size") || !sense_wire_get_uint(reader, SENSE_WIRE_BUNDLE_MAX, &manifest->size) ||
	    !expect(reader, "created") || !sense_wire_get_uint(reader, UINT64_MAX, &manifest->created) ||
	    !take_mode(reader, &manifest->mode))
		return false;
	if (!manifest->generation)
		return sense_wire_fail(reader, "has no generation");
	if (members == 8 && (!expect(reader, "params") || !take_params(reader, &manifest->params)))
		return false;
	return reader->at == reader->end || sense_wire_fail(reader, "has bytes behind its end");
}

/* Whether it is in the one form that it has. Params are what they are: nobody takes them apart and puts them
 * together. */
static bool is_canonical(const struct sense_manifest *manifest, const uint8_t *data, size_t len)
{
	uint8_t head[HEAD_MAX];
	struct sense_wire_writer writer = {.data = head, .cap = sizeof(head)};

	put_head(&writer, manifest);
	return writer.len + manifest->params.len == len && !memcmp(writer.data, data, writer.len);
}

bool sense_manifest_decode(const uint8_t *data, size_t len, struct sense_manifest *manifest, const char **why)
{
	struct sense_wire_reader reader = {.at = data, .end = data + len};

	memset(manifest, 0, sizeof(*manifest));
	bool good = len <= SENSE_MANIFEST_MAX ? take_manifest(&reader, manifest)
	                                      : sense_wire_fail(&reader, "is larger than a manifest may be");
	if (good && !is_canonical(manifest, data, len))
		good = sense_wire_fail(&reader, "is not in the one form that a manifest has");
	*why = reader.why;
	return good;
}

size_t sense_manifest_signed(const uint8_t *manifest, size_t len, uint8_t *out, size_t cap)
{
	if (cap < sizeof(SENSE_MANIFEST_DOMAIN) || len > cap - sizeof(SENSE_MANIFEST_DOMAIN))
		return 0;
	memcpy(out, SENSE_MANIFEST_DOMAIN, sizeof(SENSE_MANIFEST_DOMAIN));
	memcpy(out + sizeof(SENSE_MANIFEST_DOMAIN), manifest, len);
	return sizeof(SENSE_MANIFEST_DOMAIN) + len;
}
