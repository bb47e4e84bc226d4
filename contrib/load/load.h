/*
 * One process, one loop, and any number of agents as the server sees them: TLS connections that register,
 * send what is in their spools, beat, and take policies. What an agent's uplink keeps to, these keep to as
 * well; where it waits or gives up for the sake of others, these have options.
 */
#ifndef SENSE_LOAD_LOAD_H
#define SENSE_LOAD_LOAD_H

#include <ev.h>
#include <openssl/ssl.h>
#include <sys/socket.h>

#include "contrib/load/histogram.h"
#include "contrib/load/options.h"
#include "contrib/load/state.h"
#include "proto/message.h"
#include "proto/rpc.h"

enum load_agent_state {
	LOAD_WAITS, /* until it connects */
	LOAD_CONNECTS,
	LOAD_SHAKES, /* hands, by TLS */
	LOAD_REGISTERS,
	LOAD_READY,
	LOAD_REFUSED /* for good */
};

enum load_call_kind {
	LOAD_CALL_REGISTER,
	LOAD_CALL_BEAT,
	LOAD_CALL_BATCH,
	LOAD_CALL_POLICY,
	LOAD_CALL_ACKNOWLEDGE
};

struct load_call {
	uint32_t id, rows;
	enum load_call_kind kind;
	uint64_t last;
	double sent;
};

struct load_bytes {
	uint8_t *data;
	size_t len, cap, begin;
};

#define LOAD_CALLS_MAX 48u /* fewer than the server allows */

struct load_agent {
	struct load *load;
	unsigned index;
	enum load_agent_state state;
	char uuid[LOAD_UUID];
	X509 *certificate;
	EVP_PKEY *key;
	/* connection */
	int fd;
	SSL *ssl;
	ev_io io;
	bool wants_write; /* for TLS to go on */
	struct load_bytes in, out;
	struct sense_rpc_scanner scanner;
	size_t scanned;
	double due;       /* WAITS: when it connects */
	double connected; /* began to connect */
	unsigned failures;
	bool known; /* has registered in this run */
	/* calls */
	struct load_call calls[LOAD_CALLS_MAX];
	unsigned call_count, batches;
	uint32_t next_id;
	/* findings */
	uint64_t sent;     /* sequence */
	bool back;         /* go on from what was acknowledged when no batch is under way any more */
	double hold;       /* not before this time */
	unsigned window;   /* batches under way at most */
	unsigned refusals; /* by a busy server, in a row */
	double waiting;    /* since when the first that was not sent waits; 0: none does */
	unsigned rows_max;
	size_t bytes_max;
	/* heartbeats and policies */
	double beat_every, beat_due;
	struct sense_message_policy policy, wanted;
	bool fetching;
	uint64_t offset;
	EVP_MD_CTX *digest;
};

#define LOAD_ERRORS_MAX 24u

struct load_error_count {
	char code[48];
	uint64_t count;
};

struct load_counts {
	uint64_t connections, handshakes, registrations, lost_connections;
	uint64_t batches, findings_sent, rows_refused, beats, bytes_out, bytes_in;
	uint64_t policies_told, policies_taken;
	uint64_t first_told_us, last_taken_us; /* --wait-policy: by the clock */
	uint64_t went_back; /* the server says less than it has acknowledged: it lost findings */
	uint64_t ahead;     /* it says more than was ever sent: it doubled some */
	struct load_error_count errors[LOAD_ERRORS_MAX];
	unsigned error_count;
	struct load_histogram batch, handshake, beat, enrolment;
	double enrolled_s;
	double all_ready; /* seconds from the beginning until all agents were registered; 0: never */
	double cpu_begin;
};

struct load {
	struct load_options options;
	struct load_state *state;
	struct ev_loop *loop;
	SSL_CTX *tls;
	struct sockaddr_storage servers[LOAD_SERVERS_MAX];
	socklen_t server_len[LOAD_SERVERS_MAX];
	struct load_agent *agents;
	struct load_counts counts;
	ev_timer tick;
	ev_signal term, interrupt;
	double begun, generated_until, ended, told_at;
	bool generating, stopped;
	double generate_debt; /* findings that are due and were not generated yet */
	double last_tick;
	double connect_credit;
	unsigned connecting, ready, next_agent, next_connect;
	uint64_t generated_begin, generated, acknowledged, acknowledged_begin;
	unsigned policy_missing; /* agents */
	unsigned unknown;        /* agents that have not registered yet in this run */
};

/* ---- run.c ---- */
enum sense_status load_run(struct load *load, sense_error *err);
void load_error(struct load *load, const char *code);
/* Seconds: the first pause doubled so many times, `most` at most, of which a random half is left out. */
double load_pause(double first, unsigned doublings, double most);

/* ---- identity.c, enrol.c: certificates of all agents ---- */
enum sense_status load_identities_make(struct load *load, sense_error *err);
enum sense_status load_identities_enrol(struct load *load, sense_error *err);

/* ---- transport.c: bytes of one agent's connection ---- */
enum sense_status load_transport_begin(struct load *load, sense_error *err);
void load_connect(struct load_agent *agent);
void load_put(struct load_agent *agent, const void *data, size_t len);
void load_flush(struct load_agent *agent);
/* The connection ends, for this reason, and another follows after a pause. */
void load_disconnect(struct load_agent *agent, const char *why);

/* ---- agent.c: what an agent says and hears ---- */
void load_agent_begin(struct load_agent *agent);            /* TLS is agreed on */
bool load_agent_hear(struct load_agent *agent);             /* there is new input. False: it has ended */
void load_agent_time(struct load_agent *agent, double now); /* what is due */
void load_agent_send(struct load_agent *agent, double now); /* batches, as many as may be */
void load_agent_end(struct load_agent *agent);              /* forgets what was under way */
uint64_t load_findings_take(struct load *load, struct load_agent *agent, uint64_t most); /* --rate max */

/* ---- report.c ---- */
void load_report(struct load *load);
void load_report_line(struct load *load, double now);
double load_cpu(void);

#endif
