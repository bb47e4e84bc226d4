/*
 * Packet protection of QUIC Initials (RFC 9001, 5; RFC 9369, 3.3): from a Destination Connection ID
 * to the client's keys, and from a protected packet to its frames.
 */
#ifndef SENSE_NAMES_QUIC_KEYS_H
#define SENSE_NAMES_QUIC_KEYS_H

#include "core/names/quic.h"

enum { SENSE_QUIC_CID_MAX = 20 }; /* RFC 9000, 17.2 */

struct sense_quic_version {
	uint32_t number;
	bool second; /* labels and packet types of version 2 */
	const uint8_t *salt;
};

/* NULL for versions whose Initials cannot be read. */
const struct sense_quic_version *sense_quic_version_find(uint32_t number);
/* Versions that are known to be QUIC and cannot be read: Google's, reserved ones (RFC 9000, 15), ... */
bool sense_quic_version_is_other(uint32_t number);

struct sense_quic_keys {
	uint8_t key[16];
	uint8_t iv[12];
	uint8_t hp[16];
};

/* Keys of what the client sends. */
void sense_quic_keys_derive(const struct sense_quic_version *version, const uint8_t *dcid, size_t dcid_len,
                            struct sense_quic_keys *out);

/* A protected packet: `packet` of `len` bytes, its packet number at `number_at`. */
struct sense_quic_sealed {
	const uint8_t *packet;
	size_t len;
	size_t number_at;
};

/*
 * Opens a packet into plain, which has room for sealed->len bytes. *largest is the greatest packet
 * number so far (or -1) and is moved on. Returns the number of bytes, or -1 when the packet is not
 * authentic under these keys.
 */
int sense_quic_open(sense_quic_crypto *crypto, const struct sense_quic_keys *keys,
                    const struct sense_quic_sealed *sealed, int64_t *largest, uint8_t *plain);

/* Where to decrypt to: SENSE_QUIC_DATAGRAM_MAX bytes that live as long as crypto. */
#define SENSE_QUIC_DATAGRAM_MAX 65536u
uint8_t *sense_quic_scratch(sense_quic_crypto *crypto);

#endif
