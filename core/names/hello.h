/*
 * The TLS ClientHello and ServerHello (RFC 8446, 4.1; RFC 6066, 3; RFC 7301), and the fingerprints
 * made from them: JA3 (Salesforce) and JA4 (FoxIO, BSD-3-Clause part of the specification).
 *
 * Works on one whole handshake message, wherever it came from: tls.h puts it together from TCP
 * segments, quic.h from CRYPTO frames.
 */
#ifndef SENSE_NAMES_HELLO_H
#define SENSE_NAMES_HELLO_H

#include "core/sense_plugin.h"

/* Largest ClientHello that is put together; a post-quantum one has about 1.8 kB. */
#define SENSE_HELLO_MAX 16384u

enum { SENSE_TLS_CLIENT_HELLO_TYPE = 1, SENSE_TLS_SERVER_HELLO_TYPE = 2 }; /* HandshakeType */

struct sense_hello {
	char sni[256];    /* lower case, no trailing dots; "" when absent or not a host name */
	char alpn[128];   /* "h2,http/1.1", cut at a comma when longer; GREASE left out */
	char ja3[33];     /* hex MD5 */
	char ja4[37];     /* t13d1516h2_8daaf6152771_d8a2da3f94cd */
	uint16_t version; /* highest offered, GREASE (RFC 8701) left out: 0x0304 is TLS 1.3 */
	bool has_sni;     /* the server_name extension is there, whatever it holds */
	/*
	 * encrypted_client_hello (RFC 9849) of type outer, or its predecessor ESNI. Browsers send a
	 * made-up one (GREASE ECH) to every server, which an observer cannot tell from a real one:
	 * ech_grease_likely is set unless the outer name is one that ECH providers use for all their
	 * customers, or there is none. A DNS answer with an ECH key for the name says more.
	 */
	bool ech;
	bool ech_grease_likely;
};

/*
 * Parses a ClientHello: msg begins at the handshake type byte and holds the whole message; bytes
 * behind it are ignored. `quic` selects JA4's first letter.
 * SENSE_OK, SENSE_E_FORMAT, SENSE_E_TRUNCATED, SENSE_E_LIMIT (longer than SENSE_HELLO_MAX).
 */
enum sense_status sense_hello_parse(const uint8_t *msg, size_t len, bool quic,
                                    struct sense_hello *out);

/* The version that a ServerHello selects (supported_versions first); 0 when it is not one. */
uint16_t sense_server_hello_version(const uint8_t *msg, size_t len);

#endif
