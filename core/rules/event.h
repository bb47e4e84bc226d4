/*
 * Events: what rules are about, and the one list of fields they can name.
 *
 * An event is a view: it points at the flow and at what was just parsed, and lives only while it is
 * evaluated. Field names are those of `sense-agent replay --flows` wherever both exist.
 */
#ifndef SENSE_RULES_EVENT_H
#define SENSE_RULES_EVENT_H

#include "core/catalogue/signal.h"
#include "core/flow/flow.h"
#include "core/names/dns.h"
#include "core/names/hello.h"
#include "core/names/http.h"

enum sense_event_kind {
	SENSE_EVENT_FLOW_NEW,
	SENSE_EVENT_FLOW_CLASSIFIED,
	SENSE_EVENT_FLOW_UPDATE, /* each minute or MiB of a live flow */
	SENSE_EVENT_FLOW_END,
	SENSE_EVENT_DNS,  /* a query or a response */
	SENSE_EVENT_TLS,  /* a ClientHello, over TCP or QUIC */
	SENSE_EVENT_HTTP, /* a request head */
	SENSE_EVENT_KINDS
};

/* Everything an event refers to, borrowed. */
struct sense_event {
	enum sense_event_kind kind;
	uint64_t ts_us;
	const struct sense_flow *flow;
	const struct sense_host_row *host_row; /* of the name this event is about; or NULL */
	const struct sense_dns *dns;           /* SENSE_EVENT_DNS */
	const struct sense_http *http;         /* SENSE_EVENT_HTTP */
	const struct sense_signal *signal;     /* SENSE_EVENT_HTTP: of this request; else the flow's */
	const struct sense_hello *hello;       /* SENSE_EVENT_TLS */
	const struct sense_event_names *names; /* to turn numbers into words */
};

/* Turns the numbers that a flow holds into words; one for the engine's life. */
struct sense_event_names {
	const sense_catalogue *catalogue;
	const char *(*protocol)(void *module, uint16_t protocol);
	void *module;
};

enum sense_value_type { SENSE_VALUE_NONE, SENSE_VALUE_STRING, SENSE_VALUE_NUMBER, SENSE_VALUE_BOOL, SENSE_VALUE_ADDR };

struct sense_value {
	enum sense_value_type type;
	union {
		struct {
			const char *text; /* NUL-terminated, borrowed */
			uint32_t len;
			uint32_t hash;  /* of the intern table (core/base/intern.h); 0: not known */
			uint64_t *memo; /* that of the interned string, or NULL */
		} string;
		double number;
		bool boolean;
		struct sense_addr addr;
	};
};

/*
 * Identifier, name, type, documentation. The X list is the one description: matcher, Lua binding,
 * docs and 'did you mean' are all made from it. In which events a field is set: docs/rules.md.
 */
#define SENSE_ANY_EVENT ((1u << SENSE_EVENT_KINDS) - 1)
#define SENSE_FIELDS(X)                                                                            \
	X(SRC_IP, "src_ip", ADDR, "address of the flow's first sender")                            \
	X(SRC_PORT, "src_port", NUMBER, "its port; 0 when the protocol has none")                  \
	X(DST_IP, "dst_ip", ADDR, "address of the other end")                                      \
	X(DST_PORT, "dst_port", NUMBER, "its port")                                                \
	X(DST_SCOPE, "dst_scope", STRING, "loopback, private, link, multicast or public")          \
	X(L4, "l4", NUMBER, "IANA protocol number: 6 TCP, 17 UDP")                                 \
	X(VLAN, "vlan", NUMBER, "innermost VLAN id; 0: none")                                      \
	X(FIRST_TS, "first_ts", NUMBER, "first packet, microseconds since the epoch")              \
	X(LAST_TS, "last_ts", NUMBER, "latest packet, microseconds since the epoch")               \
	X(DURATION, "duration", NUMBER, "last_ts - first_ts, in seconds")                          \
	X(PACKETS_UP, "packets_up", NUMBER, "packets from the first sender")                       \
	X(PACKETS_DOWN, "packets_down", NUMBER, "packets to it")                                   \
	X(BYTES_UP, "bytes_up", NUMBER, "whole frames from the first sender, bytes on the wire")   \
	X(BYTES_DOWN, "bytes_down", NUMBER, "whole frames to it, bytes on the wire")               \
	X(NDPI_MASTER, "ndpi_master", STRING, "carrying protocol by nDPI: TLS, HTTP, DNS")         \
	X(NDPI_APP, "ndpi_app", STRING, "application protocol by nDPI")                            \
	X(HOST, "host", STRING, "name of the other end: SNI, HTTP Host, DNS name")                 \
	X(HOST_SOURCE, "host_source", STRING, "sni, http, dns or inferred (from an earlier answer)") \
	X(ALPN, "alpn", STRING, "application protocols offered, comma-separated")                  \
	X(JA3, "ja3", STRING, "JA3 of the ClientHello")                                            \
	X(JA4, "ja4", STRING, "JA4 of the ClientHello")                                            \
	X(TLS_VERSION, "tls_version", STRING, "TLSv1.3, TLSv1.2, ...")                             \
	X(HELLO, "hello", STRING, "sni, no_sni, ech, or missed (handshake not captured)")          \
	X(QUIC, "quic", BOOL, "the handshake came over QUIC")                                      \
	X(HTTP_METHOD, "http_method", STRING, "method of the latest request")                      \
	X(HTTP_PATH, "http_path", STRING, "its path without the query")                            \
	X(USER_AGENT, "user_agent", STRING, "its User-Agent")                                      \
	X(CONTENT_TYPE, "content_type", STRING, "its Content-Type")                                \
	X(CREDENTIAL, "credential", STRING, "kind of credential sent in clear text: openai, ...")  \
	X(SIGNAL, "signal.label", STRING, "what a clear-text request speaks: Ollama, MCP, ...")    \
	X(SIGNAL_SCORE, "signal.score", NUMBER, "how sure: 100 is conclusive")                     \
	X(CLIENT, "client", STRING, "program by its user agent: Claude Code, ...")                 \
	X(SERVICE_ID, "service.id", STRING, "catalogue service of the host")                       \
	X(SERVICE_NAME, "service.name", STRING, "its name")                                        \
	X(SERVICE_VENDOR, "service.vendor", STRING, "its vendor")                                  \
	X(SERVICE_CATEGORY, "service.category", STRING, "chat, api, coding, ...")                  \
	X(SERVICE_RISK, "service.risk", STRING, "low, medium or high")                             \
	X(SERVICE_GRADE, "service.grade", STRING, "how well the host is sourced: A to D, U")       \
	X(SERVICE_SHARED, "service.shared", BOOL, "the host also carries other traffic")           \
	X(SERVICE_CONCLUSIVE, "service.conclusive", BOOL, "not shared, grade A to C: may alert alone") \
	X(DNS_NAME, "dns.name", STRING, "name asked for")                                          \
	X(DNS_TYPE, "dns.type", NUMBER, "record type asked for: 1 A, 28 AAAA, 65 HTTPS")           \
	X(DNS_RESPONSE, "dns.response", BOOL, "an answer, not a question")                         \
	X(PROCESS_NAME, "process.name", STRING, "program at this end, when known")                 \
	X(USER, "user", STRING, "user at this end, when known")

enum sense_field {
#define SENSE_FIELD_ENUM(id, name, type, doc) SENSE_FIELD_##id,
	SENSE_FIELDS(SENSE_FIELD_ENUM)
#undef SENSE_FIELD_ENUM
	    SENSE_FIELD_COUNT
};

const char *sense_event_name(enum sense_event_kind kind);          /* "flow.classified" */
int sense_event_find(const char *name);                            /* kind, or -1 */
const char *const *sense_event_kind_names(void);                   /* ends with NULL */
const char *sense_field_name(enum sense_field field);
enum sense_value_type sense_field_type(enum sense_field field);
const char *sense_field_doc(enum sense_field field);
int sense_field_find(const char *name);                            /* field, or -1 */
const char *const *sense_field_names(void);                        /* ends with NULL */

/* The field's value in this event, `field` being below SENSE_FIELD_COUNT; type SENSE_VALUE_NONE when it is not set. */
void sense_event_get(const struct sense_event *event, enum sense_field field,
                     struct sense_value *out);
/* "loopback", "private", "link", "multicast" or "public". */
const char *sense_addr_scope(const struct sense_addr *addr);
/* Text form of an address: 1.2.3.4 or RFC 5952. out holds 46 bytes. */
void sense_addr_format(const struct sense_addr *addr, char *out);

#endif
