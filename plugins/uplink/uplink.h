/*
 * What the files of the uplink share. One process, one thread, one loop over three descriptors: the supervisor, names,
 * and the server.
 *
 *   uplink.c   the plugin, the loop, what the supervisor says
 *   bytes.h    buffers with a bound
 *   connect.c  from a list of servers to a stream: names, addresses, proxy, retries
 *   tls.c      TLS over it
 *   session.c  calls and their answers
 *   batch.c    findings: what is under way, what is kept, where to go on
 *   policy.c   policies and commands
 *   enrol.c    enrolment, instead of a session
 *
 * Nothing here grows without a bound, whatever the server sends and however long there is none.
 */
#ifndef UPLINK_UPLINK_H
#define UPLINK_UPLINK_H

#include <openssl/ssl.h>

#include "bytes.h"
#include "core/sense_plugin.h"
#include "proto/message.h"
#include "proto/rpc.h"

#define NAME "uplink"
#define SERVERS_MAX 16u
#define HOST_MAX 256u
#define WINDOW 4u                     /* batches that were not answered yet, at most */
#define CALLS_MAX 16u                 /* of all kinds */
#define QUEUE_MAX ((size_t)512 << 10) /* findings that wait for their batch */
#define BATCH_MAX ((size_t)256 << 10) /* of one batch, whatever the server allows */
#define OUT_MAX ((size_t)2 << 20)     /* bytes for the server that it has not taken */
#define IN_MAX ((size_t)1 << 20)      /* a message from the server */

struct server {
	char host[HOST_MAX];
	uint16_t port;
	char text[HOST_MAX + 8];
};

enum phase {
	PHASE_REST,
	PHASE_NAMES,
	PHASE_CONNECT,
	PHASE_PROXY,
	PHASE_TLS,
	PHASE_REGISTER,
	PHASE_SESSION,
	PHASE_HTTP
};

struct call {
	bool used;
	uint32_t id;
	enum sense_uplink_method method; /* 0: one of the others below */
	enum { CALL_METHOD, CALL_FINDINGS, CALL_POLICIES, CALL_COMMANDS } what;
	uint64_t deadline;
	uint64_t last; /* FINDINGS: the sequence of its last one */
	unsigned rows; /* FINDINGS: how many */
};

/* Findings on their way. */
struct batches {
	uint32_t turn;      /* counts beginnings: what belongs to an earlier one is void */
	struct bytes queue; /* as they come from the supervisor */
	size_t queue_at;
	unsigned queue_rows;
	size_t credit;                /* bytes that the supervisor may still send */
	uint64_t after;               /* the sequence before the next batch */
	uint64_t fetched;             /* the last in the queue */
	uint64_t through;             /* what the server keeps */
	unsigned outstanding, window; /* so many may be */
	unsigned refusals;            /* by a busy server, in a row */
	bool again;                   /* go on from `through` once nothing is outstanding */
	uint64_t again_at, flush_at;
	unsigned rows_max;
	size_t bytes_max;
	double tokens; /* of the bandwidth, bytes */
	uint64_t tokens_at;
};

/* A bundle of policies that is being fetched. */
struct fetch {
	bool wanted; /* a call is under way */
	bool again;  /* its answer is void: ask for what stands here */
	uint64_t generation, offset;
};

struct uplink {
	const struct sense_host *host;
	int fd;       /* supervisor */
	int names;    /* -1: none */
	uint64_t now; /* ms */

	/* what is wanted */
	struct server servers[SERVERS_MAX];
	unsigned server_count;
	struct server proxy;        /* port 0: none */
	char proxy_login[HOST_MAX]; /* base64 of user:password; "": none */
	uint64_t bandwidth;
	uint32_t retry_min, retry_max, call_ms;
	SSL_CTX *tls;

	/* where we are */
	enum phase phase;
	unsigned at;       /* server */
	unsigned tried;    /* servers in a row that failed */
	unsigned retries;  /* rounds in a row */
	uint64_t deadline; /* of the phase */
	uint64_t since;    /* the session began */
	uint32_t question; /* number of the latest to `names` */
	struct sense_uplink_address addresses[SENSE_UPLINK_ADDRESSES];
	unsigned address_count, address_at;
	char problem[512]; /* of the latest address */
	int socket;
	SSL *ssl;
	short events;      /* that the stream waits for, beside reading */
	struct bytes head; /* of the proxy's answer, or of HTTP's */

	/* the session */
	struct bytes in, out;
	size_t out_at;
	struct sense_rpc_scanner scanner;
	struct call calls[CALLS_MAX];
	uint32_t next_id;
	uint32_t heartbeat; /* s */
	uint64_t beat_at, alive_at;
	struct batches batches;
	struct fetch fetch;
	char *storage; /* for strings of answers, IN_MAX + SENSE_MESSAGE_STORAGE_EXTRA */

	/* enrolment */
	bool enrolling;
	bool over; /* leave the loop */
	int code;  /* with this */
	uint8_t fingerprint[32];
	char *enrol_body;
};

/* ---- uplink.c ---- */
uint64_t now_ms(void);
uint64_t jitter(uint64_t ms); /* from half of it to all of it */
/* The first pause doubled so many times, `most` at most, jittered. first: not 0. */
uint64_t backoff(uint64_t first_ms, unsigned doublings, uint64_t most_ms);
/* To the supervisor; waits until it takes it. More than a message holds is cut. */
void tell(struct uplink *u, enum sense_uplink_kind kind, uint32_t number, uint64_t sequence, const void *data,
          size_t len);
void tell_text(struct uplink *u, enum sense_uplink_kind kind, uint32_t number, const char *text);

/* ---- connect.c ---- */
/* HOST:PORT or [IPv6]:PORT. */
bool server_parse(const char *text, struct server *out);
bool proxy_parse(struct uplink *u, const char *text);
void connect_begin(struct uplink *u);                /* to the server at `at` */
void connect_event(struct uplink *u, short revents); /* phases CONNECT and PROXY */
void connect_time(struct uplink *u);                 /* the phase took too long */
void names_answer(struct uplink *u);
/* This attempt, or this session, is over: `why` is told, and another follows. slow: there is no hurry. */
void lost(struct uplink *u, bool slow, const char *fmt, ...) __attribute__((format(printf, 3, 4)));
void stream_close(struct uplink *u);

/* ---- tls.c ---- */
enum sense_status tls_new(struct uplink *u, const struct sense_uplink_want *want, sense_error *err);
bool tls_begin(struct uplink *u);
void tls_handshake(struct uplink *u); /* goes on with it; at its end the session, or HTTP, begins */
/* > 0 bytes; 0: none at the moment; -1: the stream is at its end, lost() was called. */
int tls_read(struct uplink *u, void *data, size_t cap);
void tls_write(struct uplink *u); /* of `out` what goes */

/* ---- session.c ---- */
void session_begin(struct uplink *u);
void session_event(struct uplink *u);
void session_time(struct uplink *u);
uint64_t session_wakes(const struct uplink *u);
/* Writes the head of a call; the caller puts the map behind it, with `room` bytes at most, and ends it. */
struct call *call_begin(struct uplink *u, const char *method, size_t room, struct sense_wire_writer *writer);
void call_end(struct uplink *u, struct call *call, const struct sense_wire_writer *writer);
/* Parameters that the supervisor made. */
void session_parameters(struct uplink *u, uint32_t method, const uint8_t *map, size_t len);

/* ---- batch.c ---- */
void batch_restart(struct uplink *u, uint64_t through);
void batch_take(struct uplink *u, uint32_t turn, const uint8_t *items, size_t len);
void batch_pump(struct uplink *u);
uint64_t batch_wakes(const struct uplink *u);
void batch_answer(struct uplink *u, const struct call *call, const struct sense_rpc_message *message);
void batch_close(struct uplink *u);

/* ---- policy.c ---- */
void policy_seen(struct uplink *u, const struct sense_message_policy *policy);
void policy_fetch(struct uplink *u, uint64_t generation, uint64_t offset);
void policy_answer(struct uplink *u, const struct sense_rpc_message *message);
void commands_ask(struct uplink *u);
void commands_answer(struct uplink *u, const struct sense_rpc_message *message);

/* ---- enrol.c ---- */
enum sense_status enrol_prepare(struct uplink *u, const struct sense_uplink_enrol *enrol, sense_error *err);
void enrol_begin(struct uplink *u);
void enrol_event(struct uplink *u);
/* The answer, whole. False: it is none; why says so. */
bool enrol_answer(struct uplink *u, const char *text, size_t len, char *why, size_t cap);

#endif
