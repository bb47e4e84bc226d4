/*
 * A flow: what two endpoints said to each other on one 5-tuple, as metadata.
 *
 * Strings are interned (core/base/intern.h) and owned by the flow. `work` exists only while
 * something is still being found out, `meta` only when something was.
 */
#ifndef SENSE_FLOW_FLOW_H
#define SENSE_FLOW_FLOW_H

#include <assert.h>

#include "core/base/intern.h"
#include "core/flow/packet.h"

struct sense_flow_work;
struct sense_actor;

/* Endpoints in a canonical order (a < b), so that both directions have one key. */
struct sense_flow_key {
	struct sense_addr a;
	struct sense_addr b;
	uint16_t port_a;
	uint16_t port_b;
	uint16_t vlan;
	uint8_t l4;
	uint8_t ip_version;
};

/* Where `host` came from; a later, better source replaces a weaker one. */
enum sense_host_source {
	SENSE_HOST_NONE,
	SENSE_HOST_INFERRED, /* the address was the answer to a DNS query seen before */
	SENSE_HOST_DNS,      /* the name asked for, on a DNS flow */
	SENSE_HOST_HTTP,     /* Host or :authority */
	SENSE_HOST_SNI
};

/* What was learned about a TLS or QUIC handshake. 'Not seen' and 'no name' are different things. */
enum sense_hello_state {
	SENSE_HELLO_NONE,   /* no handshake seen (yet) */
	SENSE_HELLO_SNI,    /* read, with a server name */
	SENSE_HELLO_NO_SNI, /* read, and it has no server name */
	SENSE_HELLO_ECH,    /* read; the real name is encrypted (RFC 9849), `host` is the outer name */
	SENSE_HELLO_MISSED  /* TLS or QUIC by its later records, the hello was not captured */
};

enum {
	SENSE_FLOW_A_FIRST = 1,      /* the first packet came from endpoint a */
	SENSE_FLOW_NAMES_DONE = 2,   /* dissectors need no more packets */
	SENSE_FLOW_CLASS_DONE = 4,   /* so does the classifier */
	SENSE_FLOW_CLASSIFIED = 8,   /* the flow.classified event was raised */
	SENSE_FLOW_QUIC = 16,
	SENSE_FLOW_FINISHED_A = 32,  /* FIN or RST seen from a */
	SENSE_FLOW_FINISHED_B = 64,
	SENSE_FLOW_CLASS_GUESSED = 128,
	SENSE_FLOW_HIT = 256, /* some rule held, even if its throttle kept the finding back */
	SENSE_FLOW_HELD = 512 /* classified but for the process behind it, which may become known in a moment */
};

/* Metadata found by the dissectors; NULL members were not seen. */
struct sense_flow_meta {
	const struct sense_str *host;
	const struct sense_str *alpn; /* offered protocols, comma-separated */
	const struct sense_str *ja3;
	const struct sense_str *ja4;
	const struct sense_str *http_method;
	const struct sense_str *http_path; /* without the query; see core/names/http.h */
	const struct sense_str *user_agent;
	const struct sense_str *content_type;
	struct sense_actor *actor; /* the process at this host's end; NULL: not known */
	uint16_t tls_version;  /* negotiated if a ServerHello was seen, else the highest offered */
	uint8_t host_source;   /* enum sense_host_source */
	uint8_t hello_state;   /* enum sense_hello_state */
	uint8_t credential;    /* enum sense_http_credential of the latest request */
	uint8_t signal_score;  /* 0-100, see core/catalogue/signal.h; of the strongest request */
	uint16_t signal;       /* catalogue label + 1 of that request: "Ollama", "MCP"; 0: none */
	uint16_t client;       /* catalogue label + 1 of its program: "Claude Code"; 0: none */
	uint32_t markers;      /* enum sense_http_marker, all requests together */
	uint16_t http_requests; /* requests seen on the flow */
	uint16_t host_row; /* catalogue row + 1 that `host` matches (sense_catalogue_row), 0: none */
};

/* Two cache lines: what a packet of a classified flow touches, and no more. */
struct sense_flow {
	struct sense_flow_key key; /* 40 bytes */
	uint32_t flags;
	uint32_t lru_prev;
	uint32_t lru_next;
	uint16_t class_master; /* classifier's protocol numbers; 0: none, unknown */
	uint16_t class_app;
	uint64_t last_ts; /* microseconds */

	uint64_t first_ts;
	uint64_t packets[2]; /* [0] up: from the first sender; [1] down */
	uint64_t bytes[2];
	uint32_t update_kib;  /* (bytes[0] + bytes[1]) / 1024 at which flow.update is due */
	uint32_t update_s;    /* seconds since the epoch at which it is due */
	struct sense_flow_meta *meta; /* NULL until something was found */
	struct sense_flow_work *work; /* dissectors and classifier at work; NULL when both are done */
};

_Static_assert(sizeof(struct sense_flow) == 128, "a flow is two cache lines");

#endif
