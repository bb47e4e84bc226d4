/*
 * TLS of the one listener, and who is at the other end.
 *
 * The ClientHello decides (ALPN, RFC 7301), before a version is chosen. `sense/1`: an agent; TLS 1.3, a
 * certificate of our CA, which is asked for in the handshake. `http/1.1`, or no ALPN at all: TLS 1.2 or
 * later, no certificate. Anything else is refused by the alert that RFC 7301 has for it.
 *
 * No session is ever resumed, on either side: no tickets, no cache, no renegotiation. So a certificate is
 * looked at in each handshake, and once more behind it by sense_server_tls_peer.
 */
#ifndef SENSE_SERVER_NET_TLS_H
#define SENSE_SERVER_NET_TLS_H

#include <openssl/ssl.h>
#include <stdbool.h>

#include "core/base/status.h"
#include "server/rpc/call.h"

typedef struct sense_server_tls sense_server_tls;

struct sense_server_tls_files {
	const char *ca;          /* PEM: the CA whose certificates agents show */
	const char *certificate; /* PEM: the server's, and its chain */
	const char *key;         /* PEM */
};

/* NULL: err says which file is wrong, and what to do. */
sense_server_tls *sense_server_tls_new(const struct sense_server_tls_files *files, sense_error *err);
void sense_server_tls_free(sense_server_tls *tls);

/* A connection on fd, in which TLS has not begun; SSL_free. NULL: no memory. */
SSL *sense_server_tls_accept(sense_server_tls *tls, int fd);
/* After the handshake: whether an agent is at the other end. */
bool sense_server_tls_is_agent(const SSL *ssl);
/* Who the agent is, by its certificate (server/pki/peer.h). Fails when it is none; leaves the address as it is. */
enum sense_status sense_server_tls_peer(const sense_server_tls *tls, const SSL *ssl, struct sense_peer *peer,
                                        sense_error *err);

#endif
