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
	SENSE_EVENT_PROCESS_START,
	SENSE_EVENT_PROCESS_EXIT,
	SENSE_EVENT_LISTEN,    /* a socket that accepts connections */
	SENSE_EVENT_FILE,      /* a model, an instruction file, a program of interest */
	SENSE_EVENT_MCP,       /* an MCP server in some client's configuration */
	SENSE_EVENT_INVENTORY, /* an extension, a package, a GPU: what is there, not what happens */
	SENSE_EVENT_GAP,       /* something that could not be seen: packets dropped, a folder not read */
	SENSE_EVENT_TIMER,     /* each minute of event time */
	SENSE_EVENT_ACTIVITY,  /* indicators about one subject add up (core/rules/activity.h) */
	SENSE_EVENT_KINDS
};

struct sense_given;
struct sense_activity_view;

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
	const struct sense_given *given;       /* values handed over as such; or NULL */
	const struct sense_activity_view *activity; /* SENSE_EVENT_ACTIVITY */
	const struct sense_event_names *names; /* to turn numbers into words */
};

/* Turns the numbers that a flow holds into words; one for the engine's life. */
struct sense_event_names {
	const sense_catalogue *catalogue;
	const char *(*protocol)(void *module, uint16_t protocol);
	void *module;
};

enum sense_value_type {
	SENSE_VALUE_NONE,
	SENSE_VALUE_STRING,
	SENSE_VALUE_NUMBER,
	SENSE_VALUE_BOOL,
	SENSE_VALUE_ADDR
};

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

/* Events as bits, and the groups of them in which a field can have a value. */
#define SENSE_ON(kind) (UINT32_C(1) << SENSE_EVENT_##kind)
#define SENSE_ANY_EVENT ((UINT32_C(1) << SENSE_EVENT_KINDS) - 1)
#define SENSE_IN_ANY SENSE_ANY_EVENT
#define SENSE_IN_FLOW                                                                              \
	(SENSE_ON(FLOW_NEW) | SENSE_ON(FLOW_CLASSIFIED) | SENSE_ON(FLOW_UPDATE) | SENSE_ON(FLOW_END))
#define SENSE_IN_NET                                                                               \
	(SENSE_IN_FLOW | SENSE_ON(DNS) | SENSE_ON(TLS) | SENSE_ON(HTTP) | SENSE_IN_ACTIVITY)
#define SENSE_IN_DNS (SENSE_ON(DNS) | SENSE_IN_ACTIVITY)
#define SENSE_IN_HOST                                                                              \
	(SENSE_ON(PROCESS_START) | SENSE_ON(PROCESS_EXIT) | SENSE_ON(LISTEN) | SENSE_ON(FILE) |    \
	 SENSE_ON(MCP) | SENSE_ON(INVENTORY) | SENSE_IN_ACTIVITY)
#define SENSE_IN_NAMED (SENSE_IN_NET | SENSE_ON(MCP))
#define SENSE_IN_ACTOR (SENSE_IN_NET | SENSE_IN_HOST)
#define SENSE_IN_EXIT SENSE_ON(PROCESS_EXIT)
#define SENSE_IN_LISTEN (SENSE_ON(LISTEN) | SENSE_IN_ACTIVITY)
#define SENSE_IN_FILE (SENSE_ON(FILE) | SENSE_IN_ACTIVITY)
#define SENSE_IN_MCP (SENSE_ON(MCP) | SENSE_IN_ACTIVITY)
#define SENSE_IN_INVENTORY (SENSE_ON(INVENTORY) | SENSE_IN_ACTIVITY)
#define SENSE_IN_GAP SENSE_ON(GAP)
#define SENSE_IN_ACTIVITY SENSE_ON(ACTIVITY)

/*
 * Identifier, name, type, events in which it can have a value (SENSE_IN_...), documentation. The X
 * list is the one description: matcher, Lua binding, docs and 'did you mean' are all made from it.
 */
#define SENSE_FIELDS(X)                                                                            \
	X(SRC_IP, "src_ip", ADDR, NET, "address of the flow's first sender")                       \
	X(SRC_PORT, "src_port", NUMBER, NET, "its port; 0 when the protocol has none")             \
	X(DST_IP, "dst_ip", ADDR, NET, "address of the other end")                                 \
	X(DST_PORT, "dst_port", NUMBER, NET, "its port")                                           \
	X(DST_SCOPE, "dst_scope", STRING, NET, "loopback, private, link, multicast or public")     \
	X(L4, "l4", NUMBER, NET, "IANA protocol number: 6 TCP, 17 UDP")                            \
	X(VLAN, "vlan", NUMBER, NET, "innermost VLAN id; 0: none")                                 \
	X(FIRST_TS, "first_ts", NUMBER, NET, "first packet, microseconds since the epoch")         \
	X(LAST_TS, "last_ts", NUMBER, NET, "latest packet, microseconds since the epoch")          \
	X(DURATION, "duration", NUMBER, NET, "last_ts - first_ts, in seconds")                     \
	X(PACKETS_UP, "packets_up", NUMBER, NET, "packets from the first sender")                  \
	X(PACKETS_DOWN, "packets_down", NUMBER, NET, "packets to it")                              \
	X(BYTES_UP, "bytes_up", NUMBER, NET, "whole frames from the first sender, bytes on the wire") \
	X(BYTES_DOWN, "bytes_down", NUMBER, NET, "whole frames to it, bytes on the wire")          \
	X(NDPI_MASTER, "ndpi_master", STRING, NET, "carrying protocol by nDPI: TLS, HTTP, DNS")    \
	X(NDPI_APP, "ndpi_app", STRING, NET, "application protocol by nDPI")                       \
	X(HOST, "host", STRING, NAMED, "name of the other end: SNI, HTTP Host, DNS name")            \
	X(HOST_SOURCE, "host_source", STRING, NET, "sni, http, dns or inferred (from an earlier answer)") \
	X(ALPN, "alpn", STRING, NET, "application protocols offered, comma-separated")             \
	X(JA3, "ja3", STRING, NET, "JA3 of the ClientHello")                                       \
	X(JA4, "ja4", STRING, NET, "JA4 of the ClientHello")                                       \
	X(TLS_VERSION, "tls_version", STRING, NET, "TLSv1.3, TLSv1.2, ...")                        \
	X(HELLO, "hello", STRING, NET, "sni, no_sni, ech, or missed (handshake not captured)")     \
	X(QUIC, "quic", BOOL, NET, "the handshake came over QUIC")                                 \
	X(HTTP_METHOD, "http_method", STRING, NET, "method of the latest request")                 \
	X(HTTP_PATH, "http_path", STRING, NET, "its path without the query")                       \
	X(USER_AGENT, "user_agent", STRING, NET, "its User-Agent")                                 \
	X(CONTENT_TYPE, "content_type", STRING, NET, "its Content-Type")                           \
	X(CREDENTIAL, "credential", STRING, NET, "kind of credential sent in clear text: openai, ...") \
	X(SIGNAL, "signal.label", STRING, NET, "what a clear-text request speaks: Ollama, MCP, ...") \
	X(SIGNAL_SCORE, "signal.score", NUMBER, NET, "how sure: 100 is conclusive")                \
	X(CLIENT, "client", STRING, NET, "program by its user agent: Claude Code, ...")            \
	X(SERVICE_ID, "service.id", STRING, NAMED, "catalogue service of the host")                \
	X(SERVICE_NAME, "service.name", STRING, NAMED, "its name")                                 \
	X(SERVICE_VENDOR, "service.vendor", STRING, NAMED, "its vendor")                           \
	X(SERVICE_CATEGORY, "service.category", STRING, NAMED, "chat, api, coding, ...")           \
	X(SERVICE_RISK, "service.risk", STRING, NAMED, "low, medium or high")                      \
	X(SERVICE_GRADE, "service.grade", STRING, NAMED, "how well the host is sourced: A to D, U") \
	X(SERVICE_SHARED, "service.shared", BOOL, NAMED, "the host also carries other traffic")    \
	X(SERVICE_CONCLUSIVE, "service.conclusive", BOOL, NAMED, "not shared, grade A to C: may alert alone") \
	X(DNS_NAME, "dns.name", STRING, DNS, "name asked for")                                     \
	X(DNS_TYPE, "dns.type", NUMBER, DNS, "record type asked for: 1 A, 28 AAAA, 65 HTTPS")      \
	X(DNS_RESPONSE, "dns.response", BOOL, DNS, "an answer, not a question")                    \
	X(PROCESS_NAME, "process.name", STRING, ACTOR, "program at this end, when known")          \
	X(PROCESS_PID, "process.pid", NUMBER, ACTOR, "its process id")                             \
	X(PROCESS_PATH, "process.path", STRING, ACTOR, "path of its executable")                   \
	X(PROCESS_COMMAND, "process.command", STRING, ACTOR, "its arguments, secrets redacted")    \
	X(PROCESS_HASH, "process.hash", STRING, ACTOR, "SHA-256 of its executable, in hex")        \
	X(PROCESS_PARENT, "process.parent", STRING, ACTOR, "name of the program that started it")  \
	X(PROCESS_PARENT_PID, "process.parent_pid", NUMBER, ACTOR, "process id of that")           \
	X(PROCESS_ANCESTORS, "process.ancestors", STRING, ACTOR, "programs above it, nearest first: bash, sshd") \
	X(PROCESS_CWD, "process.cwd", STRING, ACTOR, "the directory it began in")                  \
	X(PROCESS_CONTAINER, "process.container", STRING, ACTOR, "container or unit it is part of") \
	X(PROCESS_AGENT, "process.agent", STRING, ACTOR, "AI tool that it was started by, at any remove") \
	X(PROCESS_UNATTENDED, "process.unattended", STRING, ACTOR, "its option that lets it act without asking") \
	X(PROCESS_MARKERS, "process.markers", STRING, ACTOR, "names of AI variables in its environment") \
	X(PROCESS_EXIT_CODE, "process.exit_code", NUMBER, EXIT, "what it returned, or 128 + signal") \
	X(USER, "user", STRING, ACTOR, "user at this end, when known")                             \
	X(TOOL, "tool", STRING, ACTOR, "catalogue id of the AI tool that was recognised: ollama, ...") \
	X(LISTEN_IP, "listen.ip", ADDR, LISTEN, "address it accepts connections on")               \
	X(LISTEN_PORT, "listen.port", NUMBER, LISTEN, "its port")                                  \
	X(LISTEN_SCOPE, "listen.scope", STRING, LISTEN, "any, or as dst_scope")                    \
	X(LISTEN_L4, "listen.l4", NUMBER, LISTEN, "IANA protocol number: 6 TCP, 17 UDP")           \
	X(LISTEN_SPEAKS, "listen.speaks", STRING, LISTEN, "what it answered to a probe: Ollama, ...") \
	X(FILE_PATH, "file.path", STRING, FILE, "path of the file")                                \
	X(FILE_KIND, "file.kind", STRING, FILE, "model, instructions, mcp_config, ...")            \
	X(FILE_OP, "file.op", STRING, FILE, "found, created, changed or removed")                  \
	X(FILE_SIZE, "file.size", NUMBER, FILE, "its size in bytes")                               \
	X(MCP_SERVER, "mcp.server", STRING, MCP, "name of the server in the configuration")        \
	X(MCP_CLIENT, "mcp.client", STRING, MCP, "program whose configuration it is")              \
	X(MCP_TRANSPORT, "mcp.transport", STRING, MCP, "stdio, http or sse")                       \
	X(MCP_COMMAND, "mcp.command", STRING, MCP, "what is started, secrets redacted")            \
	X(MCP_URL, "mcp.url", STRING, MCP, "what is called, without user, password and query")     \
	X(MCP_PACKAGE, "mcp.package", STRING, MCP, "package that is fetched and run: @scope/name@1.2.3") \
	X(MCP_PINNED, "mcp.pinned", BOOL, MCP, "one exact version of it")                          \
	X(MCP_SECRETS, "mcp.secrets", STRING, MCP, "names under which secrets stand in the file, comma-separated") \
	X(MCP_CONFIG, "mcp.config", STRING, MCP, "path of the file that declares it")              \
	X(INVENTORY_KIND, "inventory.kind", STRING, INVENTORY, "extension, package, gpu, ...")     \
	X(INVENTORY_APP, "inventory.app", STRING, INVENTORY, "program that it is part of: chrome, vscode, ...") \
	X(INVENTORY_NAME, "inventory.name", STRING, INVENTORY, "what it is called")                \
	X(INVENTORY_VERSION, "inventory.version", STRING, INVENTORY, "its version")                \
	X(INVENTORY_PATH, "inventory.path", STRING, INVENTORY, "where it was found")               \
	X(GAP_WHAT, "gap.what", STRING, GAP, "what is not seen: packets, processes, sockets, files, ...") \
	X(GAP_WHERE, "gap.where", STRING, GAP, "an interface, a path")                             \
	X(GAP_WHY, "gap.why", STRING, GAP, "the reason, as the system gives it")                   \
	X(GAP_COUNT, "gap.count", NUMBER, GAP, "how many were missed since the last event of this kind") \
	X(ACTIVITY_SUBJECT, "activity.subject", STRING, ACTIVITY, "the service or tool that it is about") \
	X(ACTIVITY_KIND, "activity.kind", STRING, ACTIVITY, "kind of the indicator that came last") \
	X(ACTIVITY_CONFIDENCE, "activity.confidence", NUMBER, ACTIVITY, "what all of them prove, in percent") \
	X(ACTIVITY_INDICATORS, "activity.indicators", NUMBER, ACTIVITY, "how many independent kinds there are") \
	X(ACTIVITY_REPORTED, "activity.reported", BOOL, ACTIVITY, "a conclusive one had a finding of its own") \
	X(ACTIVITY_CONCLUSIVE, "activity.conclusive", BOOL, ACTIVITY, "one of them proves it alone") \
	X(EVENT, "event", STRING, ANY, "the event's own name: flow.end, ...")                      \
	X(TS, "ts", NUMBER, ANY, "when it happened, microseconds since the epoch")                 \
	X(HOUR, "hour", NUMBER, ANY, "hour of the day, 0 to 23, in local time (TZ)")               \
	X(WEEKDAY, "weekday", NUMBER, ANY, "day of the week, 1 Monday to 7 Sunday, in local time")

enum sense_field {
#define SENSE_FIELD_ENUM(id, name, type, in, doc) SENSE_FIELD_##id,
	SENSE_FIELDS(SENSE_FIELD_ENUM)
#undef SENSE_FIELD_ENUM
	    SENSE_FIELD_COUNT
};

const char *sense_event_name(enum sense_event_kind kind);          /* "flow.classified" */
const char *sense_event_group(enum sense_event_kind kind);         /* its first word: "flow" */
int sense_event_find(const char *name);                            /* kind, or -1 */
const char *const *sense_event_kind_names(void);                   /* ends with NULL */
const char *sense_field_name(enum sense_field field);
enum sense_value_type sense_field_type(enum sense_field field);
uint32_t sense_field_events(enum sense_field field); /* bits 1 << enum sense_event_kind */
const char *sense_field_doc(enum sense_field field);
int sense_field_find(const char *name);                            /* field, or -1 */
const char *const *sense_field_names(void);                        /* ends with NULL */

/*
 * Values handed over as such: of host events, which have no flow to read from, and of events that
 * tests make up. What is not known here is read from the event's other members. Strings are borrowed.
 */
struct sense_given {
	uint64_t known[(SENSE_FIELD_COUNT + 63) / 64]; /* bit per field */
	struct sense_value values[SENSE_FIELD_COUNT];
};

/*
 * The process at this host's end of a flow: its values, by field from SENSE_ACTOR_FIRST on. Strings are
 * interned; shared by all flows of the process as it was then.
 */
#define SENSE_ACTOR_FIRST SENSE_FIELD_PROCESS_NAME
#define SENSE_ACTOR_LAST SENSE_FIELD_TOOL
#define SENSE_ACTOR_FIELDS (SENSE_ACTOR_LAST - SENSE_ACTOR_FIRST + 1)

struct sense_actor {
	uint32_t refs;
	uint32_t place, number, version; /* on the board (core/host/board.h) */
	struct sense_value values[SENSE_ACTOR_FIELDS];
};

/* What an activity event is about; strings are borrowed. */
struct sense_activity_view {
	const char *subject; /* service or tool */
	const char *kind;    /* of the latest indicator */
	uint8_t confidence;  /* 0-100 */
	uint8_t indicators;  /* independent kinds */
	bool conclusive;
	bool reported;     /* by a rule that is conclusive and does not only observe */
	uint64_t since_us; /* the first of what is remembered */
	unsigned evidence_count;
	const char *const *evidence; /* a text for each indicator */
};

/*
 * The field's value in this event; type SENSE_VALUE_NONE when it is not set. `field` is below
 * SENSE_FIELD_COUNT.
 */
void sense_event_get(const struct sense_event *event, enum sense_field field,
                     struct sense_value *out);
/* Fill in a given value. The string is borrowed and ends with NUL. */
void sense_given_string(struct sense_given *given, enum sense_field field, const char *text);
void sense_given_number(struct sense_given *given, enum sense_field field, double number);
void sense_given_bool(struct sense_given *given, enum sense_field field, bool boolean);
void sense_given_addr(struct sense_given *given, enum sense_field field, const struct sense_addr *addr);
/* "loopback", "private", "link", "multicast" or "public". */
const char *sense_addr_scope(const struct sense_addr *addr);
/* Text form of an address: 1.2.3.4 or RFC 5952. out holds 46 bytes. */
void sense_addr_format(const struct sense_addr *addr, char *out);

#endif
