/*
 * The ClientHello of a QUIC connection: Initial packets of version 1 (RFC 9000, 9001) and
 * version 2 (RFC 9369), decrypted with the keys that the client's first Destination Connection ID
 * gives. CRYPTO frames may be shuffled over several packets, and packets coalesced in a datagram.
 * The drafts 22 to 34 and Facebook's mvfst, which differ in the salt alone, are read too.
 */
#ifndef SENSE_NAMES_QUIC_H
#define SENSE_NAMES_QUIC_H

#include "core/names/hello.h"

enum sense_quic_result {
	SENSE_QUIC_MORE,         /* an Initial, hello not complete yet */
	SENSE_QUIC_CLIENT_HELLO, /* *hello is filled: done */
	SENSE_QUIC_OTHER,        /* QUIC by its long header, of a version whose Initials we cannot read,
	                            or a version negotiation: a readable version may follow */
	SENSE_QUIC_NO            /* not QUIC (*version is 0), or nothing in this datagram that helps: an
	                            Initial of the server, 0-RTT or Handshake packets (*version is set) */
};

typedef struct sense_quic sense_quic;

/* Keys and ciphers are kept here, so that a connection costs no set-up of OpenSSL objects. */
typedef struct sense_quic_crypto sense_quic_crypto;
sense_quic_crypto *sense_quic_crypto_new(void);
void sense_quic_crypto_free(sense_quic_crypto *crypto);

/*
 * One UDP payload of either direction. *state is NULL at first and on every result but
 * SENSE_QUIC_MORE. Once there is a state, datagrams that
 * do not help give SENSE_QUIC_MORE, until the connection is given up (after 64 packets, or a hello
 * that is malformed or longer than SENSE_HELLO_MAX) with SENSE_QUIC_NO.
 * `version` gets the QUIC version seen (or 0).
 */
enum sense_quic_result sense_quic_datagram(sense_quic_crypto *crypto, sense_quic **state,
                                           const uint8_t *data, size_t len, uint32_t *version,
                                           struct sense_hello *hello);
void sense_quic_free(sense_quic *state);

#endif
