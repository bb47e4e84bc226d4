/*
 * A certificate request (PKCS#10, RFC 2986) of a stranger: of it only the public key is taken.
 *
 * The key must be on P-256, named as such and uncompressed, and the request must be signed with it: who asks
 * has it. Subject and attributes are read past, whatever they say.
 */
#ifndef SENSE_SERVER_PKI_REQUEST_H
#define SENSE_SERVER_PKI_REQUEST_H

#include "server/pki/key.h"

#define SENSE_REQUEST_MAX ((size_t)4096)

/* DER, or PEM and nothing else. */
enum sense_status sense_request_read(const uint8_t *data, size_t len, uint8_t point[SENSE_KEY_POINT],
                                     sense_error *err);

#endif
