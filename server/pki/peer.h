/*
 * Who an agent is, by the certificate that it has shown, and by nothing else.
 *
 * TLS has checked the certificate already, in the handshake; here it is looked at again, so that nothing
 * hangs on how a context was set up: that our CA signed it, that it is good now and made for clients, and
 * that its subject is an organization's UUID and an agent's, as this CA writes them. Whether it was revoked:
 * server/pki/revocation.h.
 */
#ifndef SENSE_SERVER_PKI_PEER_H
#define SENSE_SERVER_PKI_PEER_H

#include <openssl/x509.h>
#include <time.h>

#include "core/base/status.h"
#include "server/rpc/call.h"

/* Fills all of out but the address, which it leaves as it is. */
enum sense_status sense_pki_peer(X509 *ca, X509 *certificate, time_t now, struct sense_peer *out,
                                 sense_error *err);

#endif
