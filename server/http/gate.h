/*
 * A strict gate in front of the HTTP/1.1 parser (RFC 9112): where a request ends, and whether it is one that
 * all who read it would read alike. The parser behind it takes forms that others take differently, by which
 * requests are smuggled; none of them gets through here:
 *
 *   space before a field's colon, folded fields, a LF or CR by itself, NUL and other controls, a second Host,
 *   Content-Length or Transfer-Encoding, both of the latter, a Content-Length that is not digits alone, a
 *   Transfer-Encoding other than `chunked`, chunk sizes that are not hexadecimal digits alone, chunk
 * extensions, data of another length than its chunk said, trailers, targets with spaces or bytes beyond
 * ASCII, HTTP/1.1 without Host, empty lines before a request
 *
 * Incremental: bytes are looked at once. Bounds are absolute.
 */
#ifndef SENSE_SERVER_HTTP_GATE_H
#define SENSE_SERVER_HTTP_GATE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define SENSE_HTTPD_REQUEST_HEAD_MAX ((size_t)16 << 10)
#define SENSE_HTTPD_FIELDS_MAX 100u
#define SENSE_HTTPD_BODY_MAX ((size_t)1 << 20)
#define SENSE_HTTPD_RAW_MAX ((size_t)2 << 20) /* of a request as it is sent, chunk sizes included */

enum sense_gate_result { SENSE_GATE_MORE, SENSE_GATE_WHOLE, SENSE_GATE_REFUSED };

enum sense_gate_phase {
	SENSE_GATE_HEAD,
	SENSE_GATE_BODY,
	SENSE_GATE_CHUNK_SIZE,
	SENSE_GATE_CHUNK_DATA,
	SENSE_GATE_CHUNK_END,
	SENSE_GATE_TRAILER
};

struct sense_gate {
	enum sense_gate_phase phase;
	size_t at;       /* bytes that were looked at */
	size_t line;     /* where the line in hand begins */
	size_t head_len; /* 0: the head is not whole yet */
	unsigned fields;
	bool http10, has_host, has_length, chunked;
	bool wants_continue; /* Expect: 100-continue (RFC 9110, 10.1.1) */
	uint64_t left;       /* of the body, or of the chunk */
	uint64_t body;       /* bytes of body so far */
	unsigned digits;     /* of a chunk's size */
	unsigned status;     /* REFUSED: what to answer; good as soon as it is */
	const char *why;
};

void sense_gate_init(struct sense_gate *gate);
/* data: from the request's first byte on; each call has what the one before had, and more. WHOLE: `at` bytes
 * are it. */
enum sense_gate_result sense_gate_scan(struct sense_gate *gate, const uint8_t *data, size_t len);

#endif
