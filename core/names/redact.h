/*
 * Secrets by their shape: what kind of key a credential is, and whether a piece of text that is about
 * to be kept holds one. Shapes are the documented prefixes of providers' keys, JSON Web Tokens
 * (RFC 7519: base64url of '{"' is 'eyJ'), and anything long and random-looking in hex or base64.
 * It errs towards 'secret': a redacted word costs a little, a kept key a lot.
 */
#ifndef SENSE_NAMES_REDACT_H
#define SENSE_NAMES_REDACT_H

#include "core/names/http.h"

#define SENSE_REDACTED "~redacted~"

/* The kind of a credential's value, which is taken for one; NONE only when it is empty. */
enum sense_http_credential sense_secret_kind(const char *value, size_t len);

/* True when any part of a word (a path segment, a word of a user agent) looks like a secret. */
bool sense_secret_within(const char *word, size_t len);

#endif
