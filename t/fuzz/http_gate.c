/*
 * HTTP: the gate alone, and with the parser behind it. However a request is cut, the gate must come to the
 * same, and what it lets through the parser must read as ending at the same byte, without any of the forms
 * that are refused.
 */
#include <stdlib.h>
#include <string.h>

#include "server/http/http.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void check(bool good)
{
	if (!good)
		abort();
}

static bool within(const struct sense_httpd_span *span, const uint8_t *data, size_t size)
{
	const char *begin = (const char *)data;
	return !span->text || (span->text >= begin && span->text + span->len <= begin + size);
}

static void look(const uint8_t *data, size_t size, const struct sense_gate *gate)
{
	static struct sense_httpd_request request;
	unsigned status;
	uint8_t *body = malloc(size);
	check(body && gate->head_len && gate->head_len <= size);
	if (sense_httpd_parse(data, size, body, &request, &status)) {
		check(request.body_len == gate->body);
		check(request.field_count == gate->fields);
		check(strlen(request.path) < sizeof request.path &&
		      (*request.path == '/' || *request.path == '*'));
		check(within(&request.query, data, gate->head_len));
		unsigned hosts = 0;
		for (unsigned i = 0; i < request.field_count; i++) {
			const struct sense_httpd_field *field = &request.fields[i];
			check(field->name.len && within(&field->name, data, gate->head_len));
			check(within(&field->value, data, gate->head_len));
			check(!memchr(field->name.text, ' ', field->name.len));
			check(!field->value.len || !memchr(field->value.text, '\n', field->value.len));
			hosts +=
			    field->name.len == 4 && sense_httpd_field_of(&request, "host") == &field->value;
		}
		check(hosts == 1 || request.http10);
	} else {
		check(status == 400 || status == 501);
	}
	free(body);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct sense_gate whole, cut;
	if (size < 2)
		return 0;
	size_t step = data[0] + 1u;
	data++;
	size--;
	sense_gate_init(&whole);
	sense_gate_init(&cut);
	enum sense_gate_result a = sense_gate_scan(&whole, data, size), b = SENSE_GATE_MORE;
	for (size_t at = 0; b == SENSE_GATE_MORE && at < size; at += step)
		b = sense_gate_scan(&cut, data, size - at < step ? size : at + step);
	check(a == b);
	check(a != SENSE_GATE_REFUSED || (whole.status == cut.status && whole.status >= 400 && whole.why));
	check(a != SENSE_GATE_WHOLE || (whole.at == cut.at && whole.at <= size));
	if (a == SENSE_GATE_WHOLE)
		look(data, whole.at, &whole);
	return 0;
}
