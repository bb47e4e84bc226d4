/*
 * A finding read where it lies: texts are spans of the input. sense_finding_decode (proto/finding.h) is this and a copy
 * of the texts.
 */
#ifndef SENSE_PROTO_FINDING_SPANS_H
#define SENSE_PROTO_FINDING_SPANS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "proto/finding.h"

struct sense_span { /* UTF-8 without NUL; data NULL: not known */
	const char *data;
	uint32_t len;
};

struct sense_span_detail {
	struct sense_span key;
	enum sense_detail_type type;
	struct sense_span string;
	double number;
	bool boolean;
};

struct sense_spans {
	uint8_t id[16];
	uint64_t timestamp;
	struct sense_span type, severity, rule, policy, source_ip, dest_ip, host, service, service_name,
	    category, process, user, summary, action;
	uint16_t source_port, dest_port;
	uint8_t confidence;
	unsigned evidence_count, detail_count, tag_count;
	struct sense_span evidence[SENSE_FINDING_EVIDENCE_MAX];
	struct sense_span_detail details[SENSE_FINDING_DETAILS_MAX];
	struct sense_span tags[SENSE_FINDING_TAGS_MAX];
};

/* False: *why says what is wrong. */
bool sense_spans_read(const uint8_t *data, size_t len, struct sense_spans *out, const char **why);

#endif
