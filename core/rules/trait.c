#include "core/rules/trait.h"

#include <arpa/inet.h>
#include <stdio.h>
#include <string.h>

size_t sense_event_text(const struct sense_event *event, enum sense_field field, char *out, size_t cap)
{
	char address[INET6_ADDRSTRLEN];
	struct sense_value value;
	sense_event_get(event, field, &value);
	*out = '\0';
	if (value.type == SENSE_VALUE_ADDR) {
		sense_addr_format(&value.addr, address);
		snprintf(out, cap, "%s", address);
		return strlen(out);
	}
	if (value.type != SENSE_VALUE_STRING)
		return 0;
	size_t len = value.string.len < cap ? value.string.len : cap - 1;
	memcpy(out, value.string.text, len);
	out[len] = '\0';
	return len;
}

static size_t first_of(const struct sense_event *event, const enum sense_field *fields, unsigned count,
                       char *out, size_t cap)
{
	size_t len = 0;
	for (unsigned i = 0; i < count && !len; i++)
		len = sense_event_text(event, fields[i], out, cap);
	return len;
}

#define FIRST_OF(...)                                            \
	first_of(event, (const enum sense_field[]){__VA_ARGS__}, \
	         sizeof((const enum sense_field[]){__VA_ARGS__}) / sizeof(enum sense_field), out, cap)

/* An address and its port as RFC 3986 writes them. */
static size_t endpoint(const struct sense_event *event, enum sense_field address, enum sense_field port,
                       char *out, size_t cap)
{
	char text[INET6_ADDRSTRLEN];
	struct sense_value number;
	bool known = sense_event_text(event, address, text, sizeof text);
	bool six = strchr(text, ':');
	sense_event_get(event, port, &number);
	*out = '\0';
	if (number.type != SENSE_VALUE_NUMBER)
		return known ? sense_event_text(event, address, out, cap) : 0;
	snprintf(out, cap, "%s%s%s%s%.0f", six ? "[" : "", text, six ? "]" : "", known ? ":" : "port ",
	         number.number);
	return strlen(out);
}

/* The host, or the address where there is no name; behind it the path of a request. */
static size_t peer(const struct sense_event *event, char *out, size_t cap)
{
	size_t len = sense_event_text(event, SENSE_FIELD_HOST, out, cap);
	if (!len)
		len = endpoint(event, SENSE_FIELD_DST_IP, SENSE_FIELD_DST_PORT, out, cap);
	if (event->kind == SENSE_EVENT_HTTP)
		len += sense_event_text(event, SENSE_FIELD_HTTP_PATH, out + len, cap - len);
	return len;
}

size_t sense_event_trait(const struct sense_event *event, char *out, size_t cap)
{
	switch (event->kind) {
	case SENSE_EVENT_DNS:
		return FIRST_OF(SENSE_FIELD_DNS_NAME, SENSE_FIELD_HOST);
	case SENSE_EVENT_PROCESS_START:
	case SENSE_EVENT_PROCESS_EXIT:
		return FIRST_OF(SENSE_FIELD_PROCESS_COMMAND, SENSE_FIELD_PROCESS_PATH,
		                SENSE_FIELD_PROCESS_NAME);
	case SENSE_EVENT_LISTEN:
		return endpoint(event, SENSE_FIELD_LISTEN_IP, SENSE_FIELD_LISTEN_PORT, out, cap);
	case SENSE_EVENT_FILE:
		return FIRST_OF(SENSE_FIELD_FILE_PATH, SENSE_FIELD_FILE_KIND);
	case SENSE_EVENT_MCP:
		return FIRST_OF(SENSE_FIELD_MCP_SERVER, SENSE_FIELD_MCP_URL, SENSE_FIELD_MCP_COMMAND);
	case SENSE_EVENT_INVENTORY:
		return FIRST_OF(SENSE_FIELD_INVENTORY_NAME, SENSE_FIELD_INVENTORY_PATH);
	case SENSE_EVENT_GAP:
		return FIRST_OF(SENSE_FIELD_GAP_WHERE, SENSE_FIELD_GAP_WHAT);
	default:
		return peer(event, out, cap);
	}
}
