/* Policies that a server of the tests offers: one file in a bundle, signed. */
#ifndef SENSE_T_UPLINK_OFFER_H
#define SENSE_T_UPLINK_OFFER_H

#include "proto/bundle.h"
#include "proto/manifest.h"
#include "t/20-plugin/uplink_relay.h"

struct offer {
	uint64_t generation;
	const char *organization; /* NULL: the agent's */
	const char *text;         /* of the one policy */
	bool observe;
	EVP_PKEY *key; /* NULL: policy_key */
	bool other_hash, other_byte, other_generation;
	struct sense_message_bytes params;
};

static void offer_sign(const struct offer *offer, const uint8_t *manifest, size_t len)
{
	static uint8_t text[SENSE_MANIFEST_SIGNED_MAX];
	size_t signature_len = sizeof shared->signature,
	       text_len = sense_manifest_signed(manifest, len, text, sizeof text);
	EVP_MD_CTX *context = EVP_MD_CTX_new();
	EVP_DigestSignInit(context, NULL, NULL, NULL, offer->key ? offer->key : policy_key);
	EVP_DigestSign(context, shared->signature, &signature_len, text, text_len);
	EVP_MD_CTX_free(context);
}

__attribute__((unused)) static void offer_make(const struct offer *offer)
{
	struct sense_wire_bundle_writer bundle = {
	    .writer = {.data = shared->bundle, .cap = sizeof shared->bundle}};
	struct sense_manifest manifest = {.generation = offer->generation + offer->other_generation,
	                                  .created = sense_clock_us(),
	                                  .mode = offer->observe ? SENSE_MANIFEST_OBSERVE
	                                                         : SENSE_MANIFEST_ENFORCE,
	                                  .params = offer->params};
	sense_wire_bundle_put(&bundle, 1);
	sense_wire_bundle_put_file(&bundle, "test/given.lua", offer->text, strlen(offer->text));
	shared->bundle_len = sense_wire_bundle_end(&bundle);
	snprintf(manifest.organization, sizeof manifest.organization, "%s",
	         offer->organization ? offer->organization : ORGANIZATION);
	manifest.size = shared->bundle_len;
	unsigned len = sizeof manifest.hash;
	EVP_Digest(shared->bundle, shared->bundle_len, manifest.hash, &len, EVP_sha256(), NULL);
	memcpy(shared->hash, manifest.hash, sizeof shared->hash);
	manifest.hash[0] ^= offer->other_hash;
	shared->manifest_len = sense_manifest_encode(&manifest, shared->manifest, sizeof shared->manifest);
	offer_sign(offer, shared->manifest, shared->manifest_len);
	shared->bundle[shared->bundle_len / 2] ^= offer->other_byte;
	if (!shared->manifest_len || !shared->bundle_len)
		fprintf(stderr, "# the offer cannot be made\n");
	shared->generation = offer->generation;
}

#endif
