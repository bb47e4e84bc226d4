/*
 * Sealed records: AES-256-GCM (NIST SP 800-38D) by OpenSSL, under keys that are made from the host key.
 *
 * The host key is 32 random bytes in a file (core/spool/hostkey.h). HKDF with SHA-256 (RFC 5869), salted with
 * the machine's id (machine-id(5)) when it has one, makes two keys of it: one for records, one for names. A
 * directory that was copied to another machine, key and all, therefore does not open there; and neither does
 * a host's own spool after its machine id was changed.
 *
 * A nonce is 64 random bits, drawn with the seal, and a counter of 32 bits; when that has gone round, others
 * are drawn. What was written by a transaction that failed, and may still lie on the disk, so never shares
 * its nonce with what is written later (a sequence number as nonce would).
 *
 * Keys lie in memory that a forked child gets as zeroes (madvise(2), MADV_WIPEONFORK): the worker that
 * touches hostile bytes is such a child. Nothing derived from them outlives a call.
 */
#ifndef SENSE_SPOOL_SEAL_H
#define SENSE_SPOOL_SEAL_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "core/base/status.h"

#define SENSE_SEAL_KEY 32u
#define SENSE_SEAL_NAME 16u
#define SENSE_SEAL_EXTRA 28u /* a record is its nonce (12), ciphertext and tag (16) */

typedef struct sense_seal sense_seal;

/* `machine` is text; "": none. NULL: no memory, or an OpenSSL that lacks what is needed; err says which. */
sense_seal *sense_seal_new(const uint8_t host_key[SENSE_SEAL_KEY], const char *machine, sense_error *err);
void sense_seal_free(sense_seal *seal); /* NULL is fine; wipes the keys */

/* Writes len + SENSE_SEAL_EXTRA bytes. `bound` is what a record is tied to without being part of it. */
bool sense_seal_wrap(sense_seal *seal, const void *bound, size_t bound_len, const uint8_t *data, size_t len,
                     uint8_t *out);
/*
 * Writes len - SENSE_SEAL_EXTRA bytes. False when the record is not what was wrapped with this key and
 * `bound`, byte for byte; out then holds nothing of use.
 */
bool sense_seal_unwrap(const sense_seal *seal, const void *bound, size_t bound_len, const uint8_t *sealed,
                       size_t len, uint8_t *out);

/*
 * The name under which the id of a finding is remembered: its first 6 bytes, which are a time (RFC 9562,
 * 5.7) and keep neighbours together on the disk, and 10 bytes of a keyed digest, so that nobody without the
 * key can tell from the store whether it holds a certain finding.
 */
void sense_seal_name(const sense_seal *seal, const uint8_t id[16], uint8_t name[SENSE_SEAL_NAME]);

/* The same for the same keys, and tells nothing of them: by it a store knows its own seal. */
void sense_seal_check(const sense_seal *seal, uint8_t check[SENSE_SEAL_NAME]);

#endif
