/*
 * HTTP/1.x requests on the wire (RFC 9110, 9112): request line and the headers that tell which
 * program talks to what. No body is read. Lenient as dissectors must be, since servers are; bounded
 * in line and header size.
 *
 * Secrets never leave here: a credential header (Authorization, x-api-key, api-key, ...) is reduced
 * to its kind (`credential`), the query part of the target and any user information are dropped, and
 * path segments and words of a user agent that have a secret's shape (redact.h) become ~redacted~.
 * Collected heads are cleared before their memory is freed.
 */
#ifndef SENSE_NAMES_HTTP_H
#define SENSE_NAMES_HTTP_H

#include "core/sense_plugin.h"

#define SENSE_HTTP_HEAD_MAX 16384u /* request line and headers; lines behind are not looked at */

/* Headers that mark an AI client or protocol, as bits (catalogue wire.tsv, kind http_header). */
enum sense_http_marker {
	SENSE_HTTP_MCP_SESSION = 1u << 0,  /* Mcp-Session-Id */
	SENSE_HTTP_MCP_VERSION = 1u << 1,  /* MCP-Protocol-Version */
	SENSE_HTTP_ANTHROPIC = 1u << 2,    /* anthropic-version, anthropic-beta */
	SENSE_HTTP_OPENAI = 1u << 3,       /* OpenAI-Organization, OpenAI-Beta, OpenAI-Project */
	SENSE_HTTP_GOOGLE = 1u << 4,       /* x-goog-api-key */
	SENSE_HTTP_AZURE = 1u << 5,        /* api-key */
	SENSE_HTTP_STAINLESS = 1u << 6,    /* X-Stainless-*: generated SDKs */
	SENSE_HTTP_OPENROUTER = 1u << 7,   /* HTTP-Referer with X-Title */
	SENSE_HTTP_COPILOT = 1u << 8,      /* Copilot-Integration-Id, Editor-Plugin-Version */
	SENSE_HTTP_CURSOR = 1u << 9,       /* x-cursor-* */
	SENSE_HTTP_GATEWAY = 1u << 10,     /* Helicone-Auth, x-portkey-*, cf-aig-authorization */
	SENSE_HTTP_ACCEPT_SSE = 1u << 11,  /* Accept lists text/event-stream */
	SENSE_HTTP_MCP_METHOD = 1u << 12   /* Mcp-Method, Mcp-Name (MCP 2026 transport headers) */
};

/* Kind of credential in clear text, by the shape of its value; the value itself is never kept. */
enum sense_http_credential {
	SENSE_CREDENTIAL_NONE,
	SENSE_CREDENTIAL_OTHER,     /* some bearer or basic credential */
	SENSE_CREDENTIAL_OPENAI,    /* sk-..., sk-proj-... */
	SENSE_CREDENTIAL_ANTHROPIC, /* sk-ant-... */
	SENSE_CREDENTIAL_GOOGLE,    /* AIza... or x-goog-api-key */
	SENSE_CREDENTIAL_HUGGINGFACE, /* hf_... */
	SENSE_CREDENTIAL_GITHUB       /* ghu_, gho_, ghp_, tid=... */
};

/* Strings are terminated; bytes behind the terminator are not set. */
struct sense_http {
	char method[24];
	char path[512];         /* no query, no fragment; escapes normal (RFC 3986, 6.2.2), bytes outside
	                           printable ASCII as %XX; cut; "" for CONNECT */
	char host[256];         /* lower case, port removed; brackets of IPv6 removed; characters that no
	                           host has are '?'; of an absolute-form target, else of Host */
	uint16_t host_port;     /* 0: none given */
	char user_agent[256];   /* printable ASCII, others are '?'; cut */
	char content_type[128]; /* lower case, no parameters */
	uint32_t markers;       /* enum sense_http_marker */
	uint8_t credential;     /* enum sense_http_credential */
	bool absolute;          /* absolute-form or CONNECT: to a proxy */
};

enum sense_http_result {
	SENSE_HTTP_MORE,    /* the head is not complete yet */
	SENSE_HTTP_REQUEST, /* *out is filled; the next head on this connection may follow */
	SENSE_HTTP_NO       /* these bytes do not start a request */
};

typedef struct sense_http_state sense_http_state;

/*
 * In-order bytes of the client's direction that may start a request. A head in one segment
 * allocates nothing; otherwise *state (NULL at first) holds what has come so far, and is freed and
 * NULL again on every result but SENSE_HTTP_MORE. A gap or reordering gives SENSE_HTTP_NO; bytes
 * sent again are skipped. One head a call: a second request in the same segment is not seen.
 */
enum sense_http_result sense_http_segment(sense_http_state **state, uint32_t seq,
                                          const uint8_t *data, size_t len, struct sense_http *out);
void sense_http_free(sense_http_state *state);

/* Cheap test on the first bytes: a known method and a space, or as much of them as len holds. */
bool sense_http_looks_like_request(const uint8_t *data, size_t len);

#endif
