/*
 * A streaming JSON writer (RFC 8259) into a growable buffer.
 *
 * Strings may hold any bytes: control characters are escaped, and what is not UTF-8 (RFC 3629)
 * becomes U+FFFD, so that the output is valid whatever a capture holds. Commas are placed by the
 * writer; the caller opens and closes in order.
 */
#ifndef SENSE_SHOW_JSON_H
#define SENSE_SHOW_JSON_H

#include <stdint.h>

#include "core/base/buf.h"
#include "proto/finding.h"
#include "proto/flowrecord.h"

struct sense_json {
	struct sense_buf *out;
	bool comma; /* the next value needs one before it */
};

void sense_json_open(struct sense_json *json, char bracket);  /* '{' or '[' */
void sense_json_close(struct sense_json *json, char bracket); /* '}' or ']' */
void sense_json_key(struct sense_json *json, const char *key);
void sense_json_string(struct sense_json *json, const char *text); /* NULL: null */
void sense_json_uint(struct sense_json *json, uint64_t number);
void sense_json_number(struct sense_json *json, double number); /* NaN and infinities: null */
void sense_json_bool(struct sense_json *json, bool value);

/* A key and its value. */
void sense_json_member(struct sense_json *json, const char *key, const char *text); /* NULL: null */
void sense_json_member_uint(struct sense_json *json, const char *key, uint64_t number);
void sense_json_member_number(struct sense_json *json, const char *key, double number);
void sense_json_member_bool(struct sense_json *json, const char *key, bool value);
void sense_json_member_time(struct sense_json *json, const char *key, uint64_t us); /* RFC 3339, UTC */
void sense_json_member_list(struct sense_json *json, const char *key, const char *const *list,
                            unsigned count);

/* One line each, with the newline. Members that are not known are null; lists are never null. */
void sense_json_finding(struct sense_buf *out, const struct sense_finding *finding);
void sense_json_flow(struct sense_buf *out, const struct sense_flowrecord *record);

#endif
