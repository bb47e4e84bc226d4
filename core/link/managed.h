/*
 * The policies that a fleet's server gave this agent: fleet/policies below agent.dir, one file, replaced as a whole.
 *
 *   magic 8, length of the manifest u32 (big-endian), signature 64, manifest, bundle
 *
 * manifest and bundle as in proto/manifest.h and proto/bundle.h. Nothing of it counts but with the signature of the key
 * that was pinned at enrolment (Ed25519, RFC 8032), for this agent's organization, and with the bundle that it names:
 * that is looked at when it comes, and each time when it is read.
 */
#ifndef SENSE_LINK_MANAGED_H
#define SENSE_LINK_MANAGED_H

#include "core/base/buf.h"
#include "core/link/identity.h"
#include "core/shared/bundle.h"
#include "proto/manifest.h"

#define SENSE_MANAGED_SIGNATURE 64u

/* What signs, and for whom. */
struct sense_managed_trust {
	uint8_t key[SENSE_IDENTITY_POLICY_KEY];
	char organization[SENSE_UUID_TEXT];
};

/* SENSE_E_FORMAT: err says what is wrong with it. manifest->params points into data. */
enum sense_status sense_managed_verify(const struct sense_managed_trust *trust, const uint8_t *signature,
                                       const uint8_t *data, size_t len, struct sense_manifest *manifest,
                                       sense_error *err);
/* The bundle is the one that the manifest names, and well-formed. */
enum sense_status sense_managed_verify_bundle(const struct sense_manifest *manifest, const uint8_t *bundle,
                                              size_t len, sense_error *err);

enum sense_status sense_managed_write(const char *agent_dir, const uint8_t *signature,
                                      const uint8_t *manifest, size_t manifest_len, const uint8_t *bundle,
                                      size_t bundle_len, sense_error *err);
/*
 * Reads and verifies what is there. out NULL: the manifest alone is wanted; else the policies are added, to be sealed by
 * the caller. SENSE_E_NOTFOUND: this agent is not enrolled, or the server gave it none.
 */
enum sense_status sense_managed_read(const char *agent_dir, struct sense_manifest *manifest,
                                     struct sense_bundle *out, sense_error *err);

#endif
