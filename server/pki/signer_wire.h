/*
 * What workers and the signer say to each other: one message a packet of a SOCK_SEQPACKET socket, numbers
 * big-endian.
 *
 *   request   version u8, kind u8, 0 u16, id u64, then
 *     AGENT     organization 16, agent 16, point 65 (the public key: server/pki/key.h)
 *     SERVER    point 65; from the master alone, the names are the signer's own
 *
 *   answer    version u8, kind u8, outcome u8, 0 u8, id u64, then
 *     DONE      the certificate, DER
 *     else      a sentence, UTF-8
 *
 *   ready     an answer of kind READY and id 0, once to the master after the signer has begun, or could not
 *
 * Both ends check everything: a worker may have been taken over, and the signer has what it wants.
 */
#ifndef SENSE_SERVER_PKI_SIGNER_WIRE_H
#define SENSE_SERVER_PKI_SIGNER_WIRE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "proto/uuid.h"
#include "server/pki/key.h"

#define SENSE_SIGNER_VERSION 1u
#define SENSE_SIGNER_HEAD 12u
#define SENSE_SIGNER_BODY_MAX 4096u /* of an answer */
#define SENSE_SIGNER_ANSWER_MAX (SENSE_SIGNER_HEAD + SENSE_SIGNER_BODY_MAX)
#define SENSE_SIGNER_REQUEST_MAX (SENSE_SIGNER_HEAD + 2 * SENSE_UUID + SENSE_KEY_POINT)

enum sense_signer_kind { SENSE_SIGNER_AGENT = 1, SENSE_SIGNER_SERVER, SENSE_SIGNER_READY };
enum sense_signer_outcome { SENSE_SIGNER_DONE, SENSE_SIGNER_REFUSED, SENSE_SIGNER_FAILED };

/* Pointers into the message. */
struct sense_signer_request {
	enum sense_signer_kind kind;
	uint64_t id;
	const uint8_t *org, *agent; /* 16 bytes each; AGENT */
	const uint8_t *point;
};

struct sense_signer_answer {
	enum sense_signer_kind kind;
	enum sense_signer_outcome outcome;
	uint64_t id;
	const uint8_t *body;
	size_t len;
};

/* False: it is none. *id is set when there is as much as a head. */
bool sense_signer_request_parse(const uint8_t *data, size_t len, struct sense_signer_request *out);
bool sense_signer_answer_parse(const uint8_t *data, size_t len, struct sense_signer_answer *out);
/* Into out (SENSE_SIGNER_REQUEST_MAX bytes); the length. Of a request the pointers of its kind must be set.
 */
size_t sense_signer_request_write(const struct sense_signer_request *request, uint8_t *out);
size_t sense_signer_answer_write(const struct sense_signer_answer *answer, uint8_t *out);

/* Version 7 (RFC 9562, 5.7). False: no randomness. */
bool sense_uuid_make(char out[SENSE_UUID_TEXT]);

#endif
