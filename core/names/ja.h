/*
 * JA3 and JA4 fingerprints of a ClientHello.
 *
 * JA3: MD5 over "version,ciphers,extensions,groups,point formats" in decimal, as offered.
 * JA4: FoxIO's JA4 specification (BSD-3-Clause part); only the client's TLS fingerprint.
 * Both leave GREASE (RFC 8701) out.
 */
#ifndef SENSE_NAMES_JA_H
#define SENSE_NAMES_JA_H

#include "core/names/cursor.h"
#include "core/names/hello.h"

#define SENSE_HELLO_EXTENSIONS_MAX (SENSE_HELLO_MAX / 4) /* each has four bytes at least */

/* What a ClientHello lists, as it stands in the message. Lists of 16-bit numbers have even sizes. */
struct sense_hello_lists {
	uint16_t legacy_version;
	uint16_t top_version; /* highest of supported_versions, else legacy_version */
	bool quic;
	bool has_sni;
	struct sense_bytes ciphers;
	struct sense_bytes groups;
	struct sense_bytes formats; /* EC point formats, single bytes */
	struct sense_bytes signatures;
	struct sense_bytes alpn; /* the first protocol that is not GREASE */
	unsigned extension_count;
	uint16_t extensions[SENSE_HELLO_EXTENSIONS_MAX];
};

static inline bool sense_is_grease(uint16_t value)
{
	return (value & 0x0f0f) == 0x0a0a && value >> 8 == (value & 0xff);
}

void sense_ja3(const struct sense_hello_lists *lists, char out[33]);
void sense_ja4(const struct sense_hello_lists *lists, char out[37]);
/* Both, from memory when lists of this shape were seen before (ja_memo.c). */
void sense_ja(const struct sense_hello_lists *lists, char ja3[33], char ja4[37]);

#endif
