/*
 * An enrolment token's text form: what an administrator gives to an agent that is to join, as one word.
 *
 *   sense1.<base64url (RFC 4648, 5) without padding>
 *
 * of: version u8 (1), id 16 bytes, secret 16 bytes, SHA-256 of the CA certificate's DER 32 bytes, number of
 * servers u8, and each server as its length u8 and its text `host:port` (IPv6 in brackets). There is one text
 * for a token: no padding, no bits behind the last byte, nothing behind the last server.
 *
 * The text is a secret. Who has it may enrol one agent, and knows by the fingerprint which server to believe.
 */
#ifndef SENSE_PROTO_TOKEN_H
#define SENSE_PROTO_TOKEN_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define SENSE_TOKEN_PREFIX "sense1."
#define SENSE_TOKEN_TEXT_MAX 1024u /* bytes, without a NUL */
#define SENSE_TOKEN_ID 16u
#define SENSE_TOKEN_SECRET 16u
#define SENSE_TOKEN_FINGERPRINT 32u
#define SENSE_TOKEN_SERVERS_MAX 8u
#define SENSE_TOKEN_SERVER_MAX 255u

struct sense_token {
	uint8_t id[SENSE_TOKEN_ID];
	uint8_t secret[SENSE_TOKEN_SECRET];
	uint8_t ca[SENSE_TOKEN_FINGERPRINT];
	unsigned server_count; /* at least one */
	char servers[SENSE_TOKEN_SERVERS_MAX][SENSE_TOKEN_SERVER_MAX + 1];
};

/*
 * out: at least SENSE_TOKEN_TEXT_MAX + 1 bytes. Returns the length; 0: it cannot be said in a token, *why
 * says what is wrong with it.
 */
size_t sense_token_encode(const struct sense_token *token, char *out, const char **why);
/* Blanks and line ends around it are left out. False: *why is what to tell who gave it, as "the token ...".
 */
bool sense_token_decode(const char *text, struct sense_token *out, const char **why);

/* Whether text is `host:port`: a name, an IPv4 address, or an IPv6 address in brackets. False: *why, as "it
 * ...". */
bool sense_token_is_server(const char *text, const char **why);

#endif
