#include "server/policy/seal.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "core/base/clock.h"

/* ---- settings ----------------------------------------------------------------------------------------- */

static bool is_entry(const json_t *value)
{
	if (json_is_string(value))
		return json_string_length(value) <= SENSE_MANIFEST_PARAM_TEXT_MAX;
	return json_is_number(value) && isfinite(json_number_value(value));
}

/* What agents take (proto/manifest.h). */
static bool is_setting(const json_t *value)
{
	if (!json_is_array(value))
		return is_entry(value) || json_is_boolean(value);
	for (size_t i = 0; i < json_array_size(value); i++)
		if (!is_entry(json_array_get(value, i)))
			return false;
	return json_array_size(value) <= SENSE_MANIFEST_PARAM_ARRAY_MAX;
}

enum sense_status sense_seal_setting(json_t *settings, const char *text, sense_error *err)
{
	const char *equals = strchr(text, '=');
	char key[SENSE_MANIFEST_PARAM_NAME_MAX + 1];
	if (!equals || equals == text)
		return sense_fail(err, SENSE_E_CONFIG, "policy", "'%s' is not KEY=VALUE", text);
	if ((size_t)(equals - text) >= sizeof key)
		return sense_fail(err, SENSE_E_CONFIG, "policy", "'%.200s': a key has at most %u bytes", text,
		                  SENSE_MANIFEST_PARAM_NAME_MAX);
	memcpy(key, text, (size_t)(equals - text));
	key[equals - text] = '\0';
	if (json_object_get(settings, key))
		return sense_fail(err, SENSE_E_CONFIG, "policy", "'%s' is given twice", key);
	if (json_object_size(settings) == SENSE_SEAL_SETTINGS_MAX)
		return sense_fail(err, SENSE_E_LIMIT, "policy", "more than %u settings",
		                  SENSE_SEAL_SETTINGS_MAX);
	json_t *value = json_loads(equals + 1, JSON_DECODE_ANY | JSON_REJECT_DUPLICATES, NULL);
	if (!value)
		value = json_string(equals + 1);
	bool good = value && is_setting(value);
	if (good && !json_object_set_new(settings, key, value))
		return SENSE_OK;
	if (!good)
		json_decref(value);
	return sense_fail(
	    err, SENSE_E_CONFIG, "policy",
	    "'%.200s': a setting is a text in UTF-8 of at most %u bytes, a number, true, false, or "
	    "a list of at most %u texts or numbers",
	    text, SENSE_MANIFEST_PARAM_TEXT_MAX, SENSE_MANIFEST_PARAM_ARRAY_MAX);
}

static void value_put(struct sense_wire_writer *writer, const json_t *value)
{
	if (json_is_string(value))
		sense_wire_put_text(writer, json_string_value(value), json_string_length(value));
	else if (json_is_boolean(value))
		sense_wire_put_bool(writer, json_is_true(value));
	else if (is_entry(value))
		sense_wire_put_number(writer, json_number_value(value));
	else
		writer->full = true;
}

static void setting_put(struct sense_wire_writer *writer, const char *key, const json_t *value)
{
	sense_wire_put_string(writer, key);
	if (!json_is_array(value)) {
		value_put(writer, value);
		return;
	}
	sense_wire_put_array(writer, json_array_size(value));
	for (size_t i = 0; i < json_array_size(value); i++)
		value_put(writer, json_array_get(value, i));
}

static int by_bytes(const void *a, const void *b)
{
	return strcmp(*(const char *const *)a, *(const char *const *)b);
}

static void settings_put(struct sense_wire_writer *writer, const json_t *settings)
{
	const char *keys[SENSE_SEAL_SETTINGS_MAX];
	size_t count = 0;
	if (json_object_size(settings) > SENSE_SEAL_SETTINGS_MAX) {
		writer->full = true;
		return;
	}
	for (void *at = json_object_iter((json_t *)settings); at;
	     at = json_object_iter_next((json_t *)settings, at))
		keys[count++] = json_object_iter_key(at);
	qsort(keys, count, sizeof *keys, by_bytes);
	sense_wire_put_map(writer, count);
	for (size_t i = 0; i < count; i++)
		setting_put(writer, keys[i], json_object_get(settings, keys[i]));
}

size_t sense_seal_settings(const json_t *settings, uint8_t *out, size_t cap)
{
	struct sense_wire_writer writer = {.data = out, .cap = cap};
	settings_put(&writer, settings);
	return writer.full ? 0 : writer.len;
}

/* ---- the whole ---------------------------------------------------------------------------------------- */

enum sense_status sense_seal_make(const struct sense_seal_what *what, const struct sense_signer_key *key,
                                  struct sense_seal *out, sense_error *err)
{
	static uint8_t signed_bytes[SENSE_MANIFEST_SIGNED_MAX], settings[SENSE_MANIFEST_PARAMS_MAX];
	uint8_t signature[SENSE_SIGNATURE_MAX];
	struct sense_manifest manifest = {.generation = what->generation,
	                                  .size = what->size,
	                                  .created = sense_clock_us(),
	                                  .mode = what->observe ? SENSE_MANIFEST_OBSERVE
	                                                        : SENSE_MANIFEST_ENFORCE};
	snprintf(manifest.organization, sizeof manifest.organization, "%s", what->organization);
	memcpy(manifest.hash, what->hash, sizeof manifest.hash);
	if (json_object_size(what->settings)) {
		manifest.params = (struct sense_message_bytes){
		    settings, sense_seal_settings(what->settings, settings, sizeof settings)};
	}
	/* Settings that are not even a map are none that it takes. */
	out->len = sense_manifest_encode(&manifest, out->manifest, sizeof out->manifest);
	if (!out->len)
		return sense_fail(err, SENSE_E_LIMIT, "policy",
		                  "these settings do not go into a manifest of %zu KiB",
		                  SENSE_MANIFEST_MAX >> 10);
	size_t len = sense_manifest_signed(out->manifest, out->len, signed_bytes, sizeof signed_bytes);
	if (!len || key->sign(key->self, signed_bytes, len, signature) != sizeof out->signature)
		return sense_fail(err, SENSE_E_INTERNAL, "policy", "the policy key does not sign");
	memcpy(out->signature, signature, sizeof out->signature);
	return SENSE_OK;
}
