#include "core/rules/event.h"

#include <arpa/inet.h>
#include <string.h>

static const char *const kind_names[SENSE_EVENT_KINDS + 1] = {
    [SENSE_EVENT_FLOW_NEW] = "flow.new",
    [SENSE_EVENT_FLOW_CLASSIFIED] = "flow.classified",
    [SENSE_EVENT_FLOW_UPDATE] = "flow.update",
    [SENSE_EVENT_FLOW_END] = "flow.end",
    [SENSE_EVENT_DNS] = "dns",
    [SENSE_EVENT_TLS] = "tls",
    [SENSE_EVENT_HTTP] = "http",
    [SENSE_EVENT_PROCESS_START] = "process.start",
    [SENSE_EVENT_PROCESS_EXIT] = "process.exit",
    [SENSE_EVENT_LISTEN] = "listen",
    [SENSE_EVENT_FILE] = "file",
    [SENSE_EVENT_MCP] = "mcp",
    [SENSE_EVENT_INVENTORY] = "inventory",
    [SENSE_EVENT_GAP] = "gap",
    [SENSE_EVENT_TIMER] = "timer",
    [SENSE_EVENT_ACTIVITY] = "activity",
};

static const char *const field_names[SENSE_FIELD_COUNT + 1] = {
#define FIELD_NAME(id, name, type, in, doc) [SENSE_FIELD_##id] = name,
    SENSE_FIELDS(FIELD_NAME)
#undef FIELD_NAME
};

static const struct {
	enum sense_value_type type;
	uint32_t events;
	const char *doc;
} fields[SENSE_FIELD_COUNT] = {
#define FIELD_ROW(id, name, type, in, doc) [SENSE_FIELD_##id] = {SENSE_VALUE_##type, SENSE_IN_##in, doc},
    SENSE_FIELDS(FIELD_ROW)
#undef FIELD_ROW
};

static int find(const char *const *names, const char *name)
{
	for (int i = 0; names[i]; i++)
		if (!strcmp(names[i], name))
			return i;
	return -1;
}

const char *sense_event_name(enum sense_event_kind kind)
{
	return (unsigned)kind < SENSE_EVENT_KINDS ? kind_names[kind] : "unknown";
}

const char *sense_event_group(enum sense_event_kind kind)
{
	if (kind <= SENSE_EVENT_FLOW_END)
		return "flow";
	return kind == SENSE_EVENT_PROCESS_START || kind == SENSE_EVENT_PROCESS_EXIT ? "process"
										     : sense_event_name(kind);
}

int sense_event_find(const char *name)
{
	return find(kind_names, name);
}

const char *const *sense_event_kind_names(void)
{
	return kind_names;
}

const char *sense_field_name(enum sense_field field)
{
	return (unsigned)field < SENSE_FIELD_COUNT ? field_names[field] : "unknown";
}

enum sense_value_type sense_field_type(enum sense_field field)
{
	return (unsigned)field < SENSE_FIELD_COUNT ? fields[field].type : SENSE_VALUE_NONE;
}

uint32_t sense_field_events(enum sense_field field)
{
	return (unsigned)field < SENSE_FIELD_COUNT ? fields[field].events : 0;
}

const char *sense_field_doc(enum sense_field field)
{
	return (unsigned)field < SENSE_FIELD_COUNT ? fields[field].doc : "";
}

int sense_field_find(const char *name)
{
	return find(field_names, name);
}

const char *const *sense_field_names(void)
{
	return field_names;
}

/* ---- addresses ------------------------------------------------------------------------------- */

static bool is_ipv4(const struct sense_addr *addr)
{
	static const uint8_t mapped[12] = {[10] = 0xff, [11] = 0xff};
	return !memcmp(addr->bytes, mapped, sizeof(mapped));
}

/* inet_ntop goes through sprintf, which costs more than all the rest of an address in a finding. */
static void format4(const uint8_t *bytes, char *out)
{
	for (int i = 0; i < 4; i++) {
		uint8_t n = bytes[i];
		if (n >= 100)
			*out++ = (char)('0' + n / 100);
		if (n >= 10)
			*out++ = (char)('0' + n / 10 % 10);
		*out++ = (char)('0' + n % 10);
		*out++ = i < 3 ? '.' : '\0';
	}
}

void sense_addr_format(const struct sense_addr *addr, char *out)
{
	if (is_ipv4(addr))
		format4(addr->bytes + 12, out);
	else
		inet_ntop(AF_INET6, addr->bytes, out, INET6_ADDRSTRLEN);
}

/* RFC 6890 and its registries; 100.64.0.0/10 (RFC 6598) counts as private: it is never the Internet. */
static const char *scope4(const uint8_t *a)
{
	if (a[0] == 127)
		return "loopback";
	if (a[0] == 10 || (a[0] == 172 && (a[1] & 0xf0) == 16) || (a[0] == 192 && a[1] == 168) ||
	    (a[0] == 100 && (a[1] & 0xc0) == 64))
		return "private";
	if (a[0] == 0 || (a[0] == 169 && a[1] == 254) || (a[0] & a[1] & a[2] & a[3]) == 255)
		return "link";
	return (a[0] & 0xf0) == 224 ? "multicast" : "public";
}

static const char *scope6(const uint8_t *a)
{
	static const uint8_t zero[15];
	if (!memcmp(a, zero, sizeof(zero)) && a[15] <= 1)
		return a[15] ? "loopback" : "link";
	if (a[0] == 0xff)
		return "multicast";
	if (a[0] == 0xfe && (a[1] & 0xc0) == 0x80)
		return "link";
	/* Unique local (RFC 4193), and the site-local form that it replaced. */
	return (a[0] & 0xfe) == 0xfc || (a[0] == 0xfe && (a[1] & 0xc0) == 0xc0) ? "private" : "public";
}

const char *sense_addr_scope(const struct sense_addr *addr)
{
	return is_ipv4(addr) ? scope4(addr->bytes + 12) : scope6(addr->bytes);
}
