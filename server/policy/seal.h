/*
 * What is signed for a rollout: the manifest (proto/manifest.h) with the settings of rules, and its
 * signature.
 *
 * Settings are kept as a JSON object of texts, finite numbers, booleans, and lists of texts and numbers; in a
 * manifest they are a map whose keys are in order. Equal settings give equal bytes.
 */
#ifndef SENSE_SERVER_POLICY_SEAL_H
#define SENSE_SERVER_POLICY_SEAL_H

#include <jansson.h>

#include "proto/manifest.h"
#include "server/pki/key.h"

#define SENSE_SEAL_SETTINGS_MAX SENSE_MANIFEST_PARAM_COUNT_MAX

struct sense_seal_what {
	const char *organization; /* UUID */
	uint64_t generation;
	const uint8_t *hash; /* of the bundle */
	uint64_t size;
	bool observe;
	const json_t *settings; /* NULL, or an empty object: none */
};

struct sense_seal {
	uint8_t manifest[SENSE_MANIFEST_MAX];
	size_t len;
	uint8_t signature[SENSE_SIGNATURE_ED25519];
};

/* key: the one for policies (server/pki/ca.h). */
enum sense_status sense_seal_make(const struct sense_seal_what *what, const struct sense_signer_key *key,
                                  struct sense_seal *out, sense_error *err);

/* "key=value", the value as JSON has it, or as a text when it is none. A key that is there is refused. */
enum sense_status sense_seal_setting(json_t *settings, const char *text, sense_error *err);
/* As the map that a manifest has. How long it is; 0: there is no room, or they are no settings. */
size_t sense_seal_settings(const json_t *settings, uint8_t *out, size_t cap);

#endif
