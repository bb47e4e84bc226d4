/* What is handed from server to agent beside messages, chosen by the first byte: token, bundle, manifest. */
#include <stdlib.h>
#include <string.h>

#include "proto/bundle.h"
#include "proto/manifest.h"
#include "proto/token.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void check(bool holds)
{
	if (!holds)
		abort();
}

/* One text for a token: what is taken is written as it was, but for blanks around it. */
static void token(const uint8_t *data, size_t size)
{
	struct sense_token token;
	char out[SENSE_TOKEN_TEXT_MAX + 1];
	const char *why = NULL;
	char *text = malloc(size + 1);

	memcpy(text, data, size);
	text[size] = '\0';
	if (sense_token_decode(text, &token, &why)) {
		check(!why);
		size_t len = sense_token_encode(&token, out, &why);
		size_t before = strspn(text, " \t\n\v\f\r");
		check(len && !memcmp(text + before, out, len));
		check(strspn(text + before + len, " \t\n\v\f\r") == strlen(text + before + len));
	} else {
		check(why != NULL);
	}
	why = NULL;
	check(sense_token_is_server(text, &why) || why);
	free(text);
}

static void bundle(const uint8_t *data, size_t size)
{
	struct sense_wire_bundle bundle;
	struct sense_wire_bundle_file file;
	struct sense_wire_bundle_writer writer = {.writer = {.data = malloc(size + 1), .cap = size + 1}};
	const char *why;
	uint32_t count, again;
	char name[SENSE_WIRE_BUNDLE_NAME_MAX + 1];

	bool good = sense_wire_bundle_check(data, size, &count, &why);
	check(good != (why != NULL));
	if (good) {
		check(sense_wire_bundle_get(&bundle, data, size));
		sense_wire_bundle_put(&writer, count);
		while (sense_wire_bundle_next(&bundle, &file)) {
			memcpy(name, file.name.text, file.name.len);
			name[file.name.len] = '\0';
			check(strlen(name) == file.name.len && *name != '/' && *name != '.' &&
			      !strstr(name, "/."));
			sense_wire_bundle_put_file(&writer, name, file.text, file.len);
		}
		size_t len = sense_wire_bundle_end(&writer);
		check(len && len <= size);
		check(sense_wire_bundle_check(writer.writer.data, len, &again, &why) && again == count);
	}
	free(writer.writer.data);
}

static void manifest(const uint8_t *data, size_t size)
{
	struct sense_manifest manifest;
	const char *why;
	uint8_t *out = malloc(size + 64);

	if (sense_manifest_decode(data, size, &manifest, &why)) {
		check(!why && sense_manifest_encode(&manifest, out, size) == size &&
		      !memcmp(out, data, size));
		check(sense_manifest_signed(data, size, out, size + 64) == size + 25);
	} else {
		check(why != NULL);
	}
	free(out);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	if (!size)
		return 0;
	switch (*data % 3) {
	case 0:
		token(data + 1, size - 1);
		break;
	case 1:
		bundle(data + 1, size - 1);
		break;
	default:
		manifest(data + 1, size - 1);
	}
	return 0;
}
