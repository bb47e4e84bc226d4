/*
 * A finding: what SENSE reports, as a plain struct and as MessagePack.
 *
 * proto/SCHEMA.md documents each field. The codec does no I/O. Decoding treats its input as
 * hostile: sizes and counts are bounded, unknown keys are skipped, and strings are copied into the
 * given storage.
 */
#ifndef SENSE_PROTO_FINDING_H
#define SENSE_PROTO_FINDING_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define SENSE_FINDING_EVIDENCE_MAX 8
#define SENSE_FINDING_DETAILS_MAX 24
#define SENSE_FINDING_TAGS_MAX 16
#define SENSE_FINDING_BYTES_MAX 16384 /* one encoded finding */

enum sense_detail_type { SENSE_DETAIL_STRING, SENSE_DETAIL_NUMBER, SENSE_DETAIL_BOOL };

struct sense_detail {
	const char *key;
	enum sense_detail_type type;
	const char *string;
	double number;
	bool boolean;
};

/* All strings are NUL-terminated UTF-8, borrowed; NULL: not known. */
struct sense_finding {
	uint8_t id[16]; /* UUID version 7 layout (RFC 9562, 5.7); same input, same id */
	uint64_t timestamp; /* microseconds since the epoch */
	const char *type;
	const char *severity; /* info, low, medium, high, critical */
	const char *rule;
	const char *policy;
	const char *source_ip;
	uint16_t source_port;
	const char *dest_ip;
	uint16_t dest_port;
	const char *host;
	const char *service; /* catalogue id, or the label of a wire signal */
	const char *service_name;
	const char *category;
	uint8_t confidence; /* 0-100 */
	unsigned evidence_count;
	const char *evidence[SENSE_FINDING_EVIDENCE_MAX]; /* "sni:claude.ai (exact, grade A)" */
	const char *process;
	const char *user;
	const char *summary;
	unsigned detail_count;
	struct sense_detail details[SENSE_FINDING_DETAILS_MAX];
	unsigned tag_count;
	const char *tags[SENSE_FINDING_TAGS_MAX];
	const char *action;
};

/*
 * Writes the encoded finding to out (cap bytes); the length, or 0 when it does not fit, has no
 * timestamp, rule or severity, or exceeds a bound above. Bytes that are not UTF-8 become '?'.
 */
size_t sense_finding_encode(const struct sense_finding *finding, uint8_t *out, size_t cap);

/*
 * Decodes one finding; strings are copied to storage (cap bytes, SENSE_FINDING_BYTES_MAX is always
 * enough). False on malformed or oversized input; *why then says what is wrong.
 */
bool sense_finding_decode(const uint8_t *data, size_t len, char *storage, size_t cap,
                          struct sense_finding *finding, const char **why);

#endif
