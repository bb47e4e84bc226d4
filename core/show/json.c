#include "core/show/json.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "core/show/text.h"
#include "proto/uuid.h"

#define LAST_SECOND INT64_C(253402300799) /* 9999-12-31T23:59:59Z: the end of RFC 3339 */

static void value_begin(struct sense_json *json)
{
	if (json->comma)
		sense_buf_addc(json->out, ',');
	json->comma = true;
}

void sense_json_open(struct sense_json *json, char bracket)
{
	value_begin(json);
	sense_buf_addc(json->out, bracket);
	json->comma = false;
}

void sense_json_close(struct sense_json *json, char bracket)
{
	sense_buf_addc(json->out, bracket);
	json->comma = true;
}

/* Bytes that go out as they are: printable ASCII but quote and backslash. */
static size_t plain_run(const unsigned char *text)
{
	size_t n = 0;
	while (text[n] >= 0x20 && text[n] < 0x7f && text[n] != '"' && text[n] != '\\')
		n++;
	return n;
}

static void escape(struct sense_buf *out, unsigned char c)
{
	static const char short_form[] = {['\b'] = 'b', ['\t'] = 't', ['\n'] = 'n', ['\f'] = 'f', ['\r'] = 'r'};
	if (c == '"' || c == '\\') {
		sense_buf_addc(out, '\\');
		sense_buf_addc(out, (char)c);
	} else if (c < sizeof short_form && short_form[c]) {
		sense_buf_addc(out, '\\');
		sense_buf_addc(out, short_form[c]);
	} else {
		sense_buf_printf(out, "\\u%04x", c);
	}
}

static void quoted(struct sense_buf *out, const char *text)
{
	const unsigned char *p = (const unsigned char *)text;
	sense_buf_addc(out, '"');
	while (*p) {
		size_t run = plain_run(p);
		sense_buf_add(out, p, run);
		p += run;
		if (!*p)
			break;
		unsigned length = sense_utf8_length(p);
		if (!length)
			sense_buf_adds(out, "\xef\xbf\xbd");
		else if (length == 1)
			escape(out, *p);
		else if (length == 2 && p[0] == 0xc2 && p[1] < 0xa0)
			sense_buf_printf(out, "\\u%04x", p[1]); /* C1 controls */
		else
			sense_buf_add(out, p, length);
		p += length ? length : 1;
	}
	sense_buf_addc(out, '"');
}

void sense_json_key(struct sense_json *json, const char *key)
{
	value_begin(json);
	quoted(json->out, key);
	sense_buf_addc(json->out, ':');
	json->comma = false;
}

void sense_json_string(struct sense_json *json, const char *text)
{
	value_begin(json);
	if (text)
		quoted(json->out, text);
	else
		sense_buf_adds(json->out, "null");
}

static void decimal(struct sense_buf *out, uint64_t number)
{
	char digits[20];
	size_t at = sizeof digits;
	do
		digits[--at] = (char)('0' + number % 10);
	while (number /= 10);
	sense_buf_add(out, digits + at, sizeof digits - at);
}

void sense_json_uint(struct sense_json *json, uint64_t number)
{
	value_begin(json);
	decimal(json->out, number);
}

/* The shortest of the forms that read back as the same number. */
static void real(struct sense_buf *out, double number)
{
	char text[32];
	for (int digits = 15; digits <= 17; digits++) {
		snprintf(text, sizeof text, "%.*g", digits, number);
		if (strtod(text, NULL) == number)
			break;
	}
	sense_buf_adds(out, text);
}

/* Whole numbers are most of all numbers, and printf takes its time for a double. */
static void whole(struct sense_buf *out, int64_t number)
{
	if (number < 0)
		sense_buf_addc(out, '-');
	decimal(out, number < 0 ? -(uint64_t)number : (uint64_t)number);
}

void sense_json_number(struct sense_json *json, double number)
{
	value_begin(json);
	if (!isfinite(number))
		sense_buf_adds(json->out, "null");
	else if (number == floor(number) && fabs(number) <= 9007199254740992.0)
		whole(json->out, (int64_t)number);
	else
		real(json->out, number);
}

void sense_json_bool(struct sense_json *json, bool value)
{
	value_begin(json);
	sense_buf_adds(json->out, value ? "true" : "false");
}

/* ---- members ------------------------------------------------------------------------------------- */

void sense_json_member(struct sense_json *json, const char *key, const char *text)
{
	sense_json_key(json, key);
	sense_json_string(json, text);
}

void sense_json_member_uint(struct sense_json *json, const char *key, uint64_t number)
{
	sense_json_key(json, key);
	sense_json_uint(json, number);
}

void sense_json_member_number(struct sense_json *json, const char *key, double number)
{
	sense_json_key(json, key);
	sense_json_number(json, number);
}

void sense_json_member_bool(struct sense_json *json, const char *key, bool value)
{
	sense_json_key(json, key);
	sense_json_bool(json, value);
}

void sense_json_member_list(struct sense_json *json, const char *key, const char *const *list, unsigned count)
{
	sense_json_key(json, key);
	sense_json_open(json, '[');
	for (unsigned i = 0; i < count; i++)
		sense_json_string(json, list[i]);
	sense_json_close(json, ']');
}

/* RFC 3339 in UTC, with microseconds. */
void sense_json_member_time(struct sense_json *json, const char *key, uint64_t us)
{
	time_t seconds = (time_t)(us / 1000000);
	unsigned fraction = (unsigned)(us % 1000000);
	char date[32], text[48];
	struct tm utc;
	if (seconds > LAST_SECOND) {
		seconds = LAST_SECOND;
		fraction = 999999;
	}
	gmtime_r(&seconds, &utc);
	strftime(date, sizeof date, "%Y-%m-%dT%H:%M:%S", &utc);
	snprintf(text, sizeof text, "%s.%06uZ", date, fraction);
	sense_json_member(json, key, text);
}

/* ---- the two objects ------------------------------------------------------------------------------- */

static void member_details(struct sense_json *json, const struct sense_finding *f)
{
	sense_json_key(json, "details");
	sense_json_open(json, '{');
	for (unsigned i = 0; i < f->detail_count; i++) {
		const struct sense_detail *detail = &f->details[i];
		sense_json_key(json, detail->key);
		switch (detail->type) {
		case SENSE_DETAIL_STRING:
			sense_json_string(json, detail->string);
			break;
		case SENSE_DETAIL_NUMBER:
			sense_json_number(json, detail->number);
			break;
		case SENSE_DETAIL_BOOL:
			sense_json_bool(json, detail->boolean);
			break;
		}
	}
	sense_json_close(json, '}');
}

void sense_json_finding(struct sense_buf *out, const struct sense_finding *f)
{
	struct sense_json json = {.out = out};
	char id[37];
	sense_uuid_text(f->id, id);
	sense_json_open(&json, '{');
	sense_json_member(&json, "id", id);
	sense_json_member_time(&json, "timestamp", f->timestamp);
	sense_json_member(&json, "type", f->type);
	sense_json_member(&json, "severity", f->severity);
	sense_json_member(&json, "rule", f->rule);
	sense_json_member(&json, "policy", f->policy);
	sense_json_member(&json, "source_ip", f->source_ip);
	sense_json_member_uint(&json, "source_port", f->source_port);
	sense_json_member(&json, "dest_ip", f->dest_ip);
	sense_json_member_uint(&json, "dest_port", f->dest_port);
	sense_json_member(&json, "host", f->host);
	sense_json_member(&json, "service", f->service);
	sense_json_member(&json, "category", f->category);
	sense_json_member_uint(&json, "confidence", f->confidence);
	sense_json_member_list(&json, "evidence", f->evidence, f->evidence_count);
	sense_json_member(&json, "process", f->process);
	sense_json_member(&json, "user", f->user);
	sense_json_member(&json, "summary", f->summary);
	member_details(&json, f);
	sense_json_member_list(&json, "tags", f->tags, f->tag_count);
	sense_json_member(&json, "action", f->action);
	sense_json_close(&json, '}');
	sense_buf_addc(out, '\n');
}

void sense_json_flow(struct sense_buf *out, const struct sense_flowrecord *r)
{
	struct sense_json json = {.out = out};
	sense_json_open(&json, '{');
	sense_json_member(&json, "src_ip", r->src_ip);
	sense_json_member_uint(&json, "src_port", r->src_port);
	sense_json_member(&json, "dst_ip", r->dst_ip);
	sense_json_member_uint(&json, "dst_port", r->dst_port);
	sense_json_member_uint(&json, "l4", r->l4);
	sense_json_member_uint(&json, "vlan", r->vlan);
	sense_json_member_uint(&json, "first_ts", r->first_ts);
	sense_json_member_uint(&json, "last_ts", r->last_ts);
	sense_json_member_uint(&json, "packets_up", r->packets_up);
	sense_json_member_uint(&json, "packets_down", r->packets_down);
	sense_json_member_uint(&json, "bytes_up", r->bytes_up);
	sense_json_member_uint(&json, "bytes_down", r->bytes_down);
	sense_json_member(&json, "ndpi_master", r->ndpi_master);
	sense_json_member(&json, "ndpi_app", r->ndpi_app);
	sense_json_member(&json, "host", r->host);
	sense_json_member(&json, "alpn", r->alpn);
	sense_json_member(&json, "ja3", r->ja3);
	sense_json_member(&json, "ja4", r->ja4);
	sense_json_member(&json, "tls_version", r->tls_version);
	sense_json_key(&json, "quic");
	sense_json_bool(&json, r->quic);
	sense_json_member(&json, "http_method", r->http_method);
	sense_json_member(&json, "http_path", r->http_path);
	sense_json_member(&json, "user_agent", r->user_agent);
	sense_json_member(&json, "service", r->service);
	sense_json_member(&json, "service_category", r->service_category);
	sense_json_member(&json, "process", r->process);
	sense_json_member(&json, "host_source", r->host_source);
	sense_json_member(&json, "hello", r->hello);
	sense_json_close(&json, '}');
	sense_buf_addc(out, '\n');
}
