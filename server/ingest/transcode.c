#include "server/ingest/transcode.h"

#include <arpa/inet.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "proto/finding_spans.h"
#include "proto/wire.h"

#define COLUMNS 26
#define EPOCH_US INT64_C(946684800000000) /* 2000-01-01, where PostgreSQL's times begin */
#define REASON_MAX 500u

/* The type's OID, as arrays name what they are of. */
#define OID_TEXT 25u
/* inet: families, as its receive function knows them */
#define INET_4 2u
#define INET_6 3u
#define JSONB_VERSION 1u

/*
 * A byte of a finding becomes at most six of a row (a control character in the JSON of details); what a row has beside
 * texts is within the rest.
 */
#define ROOM(len) (6 * (len) + 1024)

const uint8_t sense_copy_header[SENSE_COPY_HEADER] = {'P', 'G', 'C', 'O', 'P', 'Y', '\n', 0xff, '\r', '\n'};
const uint8_t sense_copy_trailer[SENSE_COPY_TRAILER] = {0xff, 0xff};

void sense_rows_fini(struct sense_rows *rows)
{
	free(rows->data);
	*rows = (struct sense_rows){0};
}

/* ---- values ------------------------------------------------------------------------------------------- */

static uint8_t *reserve(struct sense_rows *rows, size_t room)
{
	if (room > rows->cap - rows->len) {
		size_t cap = rows->cap * 2 > rows->len + room ? rows->cap * 2 : rows->len + room;
		uint8_t *data = realloc(rows->data, cap);
		if (!data) {
			rows->failed = true;
			return NULL;
		}
		rows->data = data;
		rows->cap = cap;
	}
	return rows->data + rows->len;
}

static uint8_t *put16(uint8_t *at, uint16_t number)
{
	at[0] = (uint8_t)(number >> 8);
	at[1] = (uint8_t)number;
	return at + 2;
}

static uint8_t *put32(uint8_t *at, uint32_t number)
{
	number = htonl(number);
	memcpy(at, &number, 4);
	return at + 4;
}

static uint8_t *put64(uint8_t *at, uint64_t number)
{
	return put32(put32(at, (uint32_t)(number >> 32)), (uint32_t)number);
}

static uint8_t *put_bytes(uint8_t *at, const void *data, size_t len)
{
	at = put32(at, (uint32_t)len);
	memcpy(at, data, len);
	return at + len;
}

static uint8_t *put_null(uint8_t *at)
{
	return put32(at, UINT32_MAX);
}

static uint8_t *put_text(uint8_t *at, const struct sense_span *text)
{
	return text->data ? put_bytes(at, text->data, text->len) : put_null(at);
}

/* Also tells where it is. */
static uint8_t *put_key(uint8_t *at, const uint8_t *row, const struct sense_span *text,
                        struct sense_row_text *where)
{
	*where = (struct sense_row_text){(uint32_t)(at + 4 - row), text->len};
	return put_text(at, text);
}

static uint8_t *put_small(uint8_t *at, uint16_t number)
{
	return put16(put32(at, 2), number);
}

static uint8_t *put_big(uint8_t *at, uint64_t number)
{
	return put64(put32(at, 8), number);
}

static uint8_t *put_time(uint8_t *at, uint64_t us)
{
	return put_big(at, (uint64_t)((int64_t)us - EPOCH_US));
}

static uint8_t *put_port(uint8_t *at, uint16_t port)
{
	return port ? put32(put32(at, 4), port) : put_null(at);
}

struct address {
	uint8_t bytes[16];
	uint8_t len; /* 0: none */
};

static bool read_address(const struct sense_span *span, struct address *out)
{
	char text[INET6_ADDRSTRLEN];

	out->len = 0;
	if (!span->data)
		return true;
	if (span->len >= sizeof(text))
		return false;
	memcpy(text, span->data, span->len);
	text[span->len] = '\0';
	if (inet_pton(AF_INET, text, out->bytes) == 1)
		out->len = 4;
	else if (inet_pton(AF_INET6, text, out->bytes) == 1)
		out->len = 16;
	return out->len > 0;
}

static uint8_t *put_address(uint8_t *at, const struct address *address)
{
	if (!address->len)
		return put_null(at);
	at = put32(at, 4u + address->len);
	*at++ = address->len == 4 ? INET_4 : INET_6;
	*at++ = (uint8_t)(address->len * 8);
	*at++ = 0; /* no network */
	*at++ = address->len;
	memcpy(at, address->bytes, address->len);
	return at + address->len;
}

static uint8_t *put_list(uint8_t *at, const struct sense_span *texts, unsigned count)
{
	uint8_t *start = at;

	at = put32(at + 4, count ? 1 : 0);  /* dimensions */
	at = put32(put32(at, 0), OID_TEXT); /* no NULL among them */
	if (count)
		at = put32(put32(at, count), 1); /* indexes begin with 1 */
	for (unsigned i = 0; i < count; i++)
		at = put_text(at, &texts[i]);
	put32(start, (uint32_t)(at - start - 4));
	return at;
}

/* ---- details as JSON (RFC 8259, 7) ------------------------------------------------------------------------ */

static uint8_t *put_json_text(uint8_t *at, const struct sense_span *text)
{
	static const char digits[] = "0123456789abcdef";

	*at++ = '"';
	for (uint32_t i = 0; i < text->len; i++) {
		uint8_t c = (uint8_t)text->data[i];
		if (c < 0x20) {
			memcpy(at, "\\u00", 4);
			at[4] = (uint8_t)digits[c >> 4];
			at[5] = (uint8_t)digits[c & 15];
			at += 6;
			continue;
		}
		if (c == '"' || c == '\\')
			*at++ = '\\';
		*at++ = c;
	}
	*at++ = '"';
	return at;
}

static uint8_t *put_json_number(uint8_t *at, double number)
{
	char text[32];
	int len = fabs(number) <= 9007199254740992.0 && number == floor(number)
	            ? snprintf(text, sizeof(text), "%lld", (long long)number)
	            : snprintf(text, sizeof(text), "%.17g", number);
	memcpy(at, text, (size_t)len);
	return at + len;
}

static uint8_t *put_detail(uint8_t *at, const struct sense_span_detail *detail)
{
	at = put_json_text(at, &detail->key);
	*at++ = ':';
	if (detail->type == SENSE_DETAIL_STRING)
		return put_json_text(at, &detail->string);
	if (detail->type == SENSE_DETAIL_NUMBER)
		return put_json_number(at, detail->number);
	const char *word = detail->boolean ? "true" : "false";
	memcpy(at, word, strlen(word));
	return at + strlen(word);
}

static uint8_t *put_details(uint8_t *at, const struct sense_spans *finding, uint64_t claimed_us)
{
	uint8_t *start = at;

	at += 4;
	*at++ = JSONB_VERSION;
	*at++ = '{';
	for (unsigned i = 0; i < finding->detail_count; i++) {
		if (i)
			*at++ = ',';
		at = put_detail(at, &finding->details[i]);
	}
	/* Of a key that comes twice jsonb keeps the last: nobody can say this in our place. */
	if (claimed_us)
		at += sprintf((char *)at, "%s\"timestamp_claimed\":%llu", finding->detail_count ? "," : "",
		              (unsigned long long)claimed_us);
	*at++ = '}';
	put32(start, (uint32_t)(at - start - 4));
	return at;
}

/* ---- a row --------------------------------------------------------------------------------------------------- */

static bool read_severity(const struct sense_span *word, uint8_t *severity)
{
	static const struct sense_span words[] = {
	    {"info", 4}, {"low", 3}, {"medium", 6}, {"high", 4}, {"critical", 8}};
	for (*severity = 0; *severity < 5; ++*severity)
		if (word->len == words[*severity].len &&
		    !memcmp(word->data, words[*severity].data, word->len))
			return true;
	return false;
}

static bool is_long(const struct sense_span *text)
{
	return text->len > SENSE_ROW_KEY_MAX;
}

struct prepared {
	struct sense_spans finding;
	struct address source, dest;
	uint64_t claimed_us;
};

static const char *prepare(const struct sense_row_origin *origin, const uint8_t *data, size_t len,
                           struct prepared *out, struct sense_finding_row *row)
{
	struct sense_spans *finding = &out->finding;
	const char *why;

	if (!sense_spans_read(data, len, finding, &why))
		return why;
	if (!read_severity(&finding->severity, &row->severity))
		return "has a severity that is none";
	if (!read_address(&finding->source_ip, &out->source) || !read_address(&finding->dest_ip, &out->dest))
		return "has an address that is none";
	if (is_long(&finding->type) || is_long(&finding->service) || is_long(&finding->category))
		return "has a type, service or category of more than 200 bytes";
	row->time_us = finding->timestamp;
	out->claimed_us = 0;
	if (row->time_us > origin->received_us + SENSE_ROW_FUTURE_US) {
		out->claimed_us = row->time_us;
		row->time_us = origin->received_us;
	}
	if (row->time_us < origin->oldest_us)
		return "is older than findings are kept";
	return NULL;
}

const char *sense_row_add(struct sense_rows *rows, const struct sense_row_origin *origin, uint64_t sequence,
                          const uint8_t *finding, size_t len, struct sense_finding_row *out)
{
	struct prepared prepared;
	const struct sense_spans *spans = &prepared.finding;

	const char *why = prepare(origin, finding, len, &prepared, out);
	if (why)
		return why;
	uint8_t *row = reserve(rows, ROOM(len));
	if (!row)
		return "could not be taken for want of memory";
	uint8_t *at = put16(row, COLUMNS);
	at = put_bytes(at, spans->id, 16);
	at = put_bytes(at, origin->org, 16);
	at = put_bytes(at, origin->agent, 16);
	at = put_time(at, out->time_us);
	at = put_time(at, origin->received_us);
	at = put_big(at, sequence);
	at = put_key(at, row, &spans->type, &out->type);
	at = put_small(at, out->severity);
	at = put_text(at, &spans->rule);
	at = put_text(at, &spans->policy);
	at = put_address(at, &prepared.source);
	at = put_port(at, spans->source_port);
	at = put_address(at, &prepared.dest);
	at = put_port(at, spans->dest_port);
	at = put_text(at, &spans->host);
	at = put_key(at, row, &spans->service, &out->service);
	at = put_text(at, &spans->service_name);
	at = put_key(at, row, &spans->category, &out->category);
	at = put_small(at, spans->confidence);
	at = put_list(at, spans->evidence, spans->evidence_count);
	at = put_text(at, &spans->process);
	at = put_text(at, &spans->user);
	at = put_text(at, &spans->summary);
	at = put_details(at, spans, prepared.claimed_us);
	at = put_list(at, spans->tags, spans->tag_count);
	at = put_text(at, &spans->action);
	out->len = (uint32_t)(at - row);
	rows->len += out->len;
	return NULL;
}

/* As much of it as is whole characters: nothing may be wrong with a row of the quarantine. */
static size_t text_len(const char *text, size_t max)
{
	size_t len = strnlen(text, max), good = 0, size;
	while (good < len && (size = sense_utf8_char(text + good, len - good)))
		good += size;
	return good;
}

void sense_row_quarantine(struct sense_rows *rows, const struct sense_row_origin *origin, uint64_t sequence,
                          const char *reason, const uint8_t *finding, size_t len)
{
	size_t reason_len = text_len(reason, REASON_MAX);
	uint8_t *row = reserve(rows, reason_len + len + 128);

	if (!row)
		return;
	uint8_t *at = put16(row, 6);
	at = put_bytes(at, origin->org, 16);
	at = put_bytes(at, origin->agent, 16);
	at = put_big(at, sequence);
	at = put_time(at, origin->received_us);
	at = put_bytes(at, reason, reason_len);
	at = put_bytes(at, finding, len);
	rows->len += (size_t)(at - row);
}

void sense_row_count(struct sense_rows *rows, const struct sense_row_count *count)
{
	uint8_t *row =
	    reserve(rows, 128 + (size_t)count->type_len + count->service_len + count->category_len);

	if (!row)
		return;
	uint8_t *at = put16(row, 7);
	at = put_bytes(at, count->org, 16);
	at = put_time(at, count->hour_us);
	at = put_small(at, count->severity);
	at = put_bytes(at, count->type, count->type_len);
	at = put_bytes(at, count->service, count->service_len);
	at = put_bytes(at, count->category, count->category_len);
	at = put_big(at, count->count);
	rows->len += (size_t)(at - row);
}
