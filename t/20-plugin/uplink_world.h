/*
 * What the tests of the uplink share: a server of their own to be good or bad, which is a process that forks one more
 * for each connection, and is told what to do through shared memory.
 */
#ifndef SENSE_T_UPLINK_WORLD_H
#define SENSE_T_UPLINK_WORLD_H

#include <arpa/inet.h>
#include <errno.h>
#include <limits.h>
#include <netinet/in.h>
#include <openssl/err.h>
#include <openssl/pem.h>
#include <openssl/ssl.h>
#include <openssl/x509v3.h>
#include <poll.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/wait.h>

#include "core/base/clock.h"
#include "core/link/link.h"
#include "proto/message.h"
#include "proto/rpc.h"
#include "t/20-plugin/uplink_enrolled.h"
#include "t/spool.h"
#include "t/tap.h"

#define NUMBERS 20000u
#define WAIT_S 30

/* ---- the server -------------------------------------------------------------------------------------- */

enum bad { /* what it answers findings with, instead of what is right */
	   BAD_NOT,
	   BAD_GARBAGE, /* bytes that are no message */
	   BAD_HUGE,    /* a message that says it is larger than may be */
	   BAD_ID,      /* an answer to what was not asked */
	   BAD_THROUGH, /* acknowledges what it was not given */
	   BAD_CALL,    /* calls the agent */
	   BAD_MAP,     /* a result that is none */
	   BAD_ERROR,   /* an error that is none */
	   BAD_DEEP,    /* one array in another */
	   BAD_COUNT
};

/* Between this program and its servers. */
struct shared {
	_Atomic int lock;
	_Atomic uint32_t port;
	_Atomic uint64_t through;
	_Atomic uint32_t seen[NUMBERS]; /* how often finding n was kept */
	_Atomic uint32_t sessions, handshakes_failed, batches, rows_most, bytes_most, heartbeats, gaps,
	    order_broken;
	_Atomic uint32_t renewals, acknowledged, results, command_asks;
	_Atomic uint64_t last_after;
	/* what it does */
	_Atomic uint32_t gap_each, busy_each, part_each; /* of so many batches one is answered so; 0: none */
	_Atomic uint32_t too_large;                      /* above so many rows; 0: never */
	_Atomic int hold;                                /* findings are not answered */
	_Atomic int bad;                                 /* enum bad */
	_Atomic uint32_t rows_max, bytes_max, heartbeat;
	_Atomic int notify, hang_up;          /* so many notifications with each batch; on who registers */
	char version[64], host[256], os[128]; /* as the latest agent registered */
	/* policies */
	_Atomic uint64_t generation; /* 0: none */
	uint8_t hash[32], signature[64], manifest[4096], bundle[1 << 20];
	size_t manifest_len, bundle_len, piece;
	_Atomic uint32_t pieces;
	_Atomic uint64_t told; /* generation of the latest acknowledgement */
	_Atomic int told_loaded;
	_Atomic uint32_t told_rules;
	char told_problem[512], told_rule[128];
	_Atomic int commands; /* there are some */
	char result[3][128];
};
static struct shared *shared;

struct peer {
	pid_t pid;
	int listener;
	uint16_t port;
	struct authority ca; /* of clients, and for renewals */
	EVP_PKEY *key;
	X509 *certificate;
};

static void shared_new(void)
{
	shared = mmap(NULL, sizeof *shared, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	shared->rows_max = 100;
	shared->bytes_max = 65536;
	shared->heartbeat = 1;
}

static int listen_at(uint16_t *port)
{
	struct sockaddr_in at = {
	    .sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK), .sin_port = htons(*port)};
	socklen_t len = sizeof at;
	const int on = 1;
	int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
	setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof on);
	if (bind(fd, (struct sockaddr *)&at, sizeof at) || listen(fd, 64)) {
		perror("# bind");
		exit(1);
	}
	getsockname(fd, (struct sockaddr *)&at, &len);
	*port = ntohs(at.sin_port);
	return fd;
}

static void lock(void)
{
	while (atomic_exchange(&shared->lock, 1))
		usleep(100);
}

static void unlock(void)
{
	atomic_store(&shared->lock, 0);
}

static struct sense_wire_writer answer;
static uint8_t answer_room[65536];

static void answer_error(uint32_t id, const char *code, uint32_t retry, uint64_t through)
{
	const struct sense_message_error error = {
	    .code = code, .message = "as told", .retry = retry, .through = through};
	sense_rpc_put_error(&answer, id);
	sense_message_put_error(&answer, &error);
	sense_rpc_end_error(&answer);
}

/* What is kept of a batch: most findings, in its order, those that are not there yet. */
static void findings_keep(struct sense_message_findings *message, uint32_t most)
{
	struct sense_message_finding one;
	for (uint32_t i = 0; i < most && sense_message_finding_next(message, &one); i++) {
		const struct sense_spool_item item = {one.sequence, one.finding.data, one.finding.len};
		uint64_t number = number_of(&item);
		if (one.sequence <= shared->through)
			continue;
		if (number < NUMBERS)
			shared->seen[number]++;
		shared->through = one.sequence;
	}
}

static void bad_answer(uint32_t id, enum bad bad)
{
	static const uint8_t huge[] = {0x94, 0x01, 0x00, 0xc0, 0xc6, 0x7f, 0xff, 0xff, 0xff};
	const struct sense_message_reported lie = {.through = UINT64_MAX - 5};
	switch (bad) {
	case BAD_HUGE:
		memcpy(answer.data + answer.len, huge, sizeof huge);
		answer.len += sizeof huge;
		break;
	case BAD_ID:
		id += 77;
		/* fall through */
	case BAD_THROUGH:
		sense_rpc_put_result(&answer, id);
		sense_message_put_reported(&answer, &lie);
		break;
	case BAD_CALL:
		sense_rpc_put_request(&answer, 1, SENSE_METHOD_FINDINGS);
		sense_message_put_nothing(&answer);
		break;
	case BAD_MAP:
		sense_rpc_put_result(&answer, id);
		sense_message_put_nothing(&answer);
		break;
	case BAD_ERROR:
		sense_rpc_put_error(&answer, id);
		sense_message_put_nothing(&answer);
		sense_rpc_end_error(&answer);
		break;
	case BAD_DEEP:
		memset(answer.data + answer.len, 0x91, 64);
		answer.len += 64;
		break;
	default:
		for (unsigned i = 0; i < 200; i++)
			answer.data[answer.len++] = (uint8_t)rand();
		break;
	}
}

static bool each(_Atomic uint32_t *every)
{
	return *every && (uint32_t)rand() % *every == 0;
}

static void findings_answer(const struct sense_rpc_message *call)
{
	struct sense_message_findings message;
	const char *why;
	if (shared->bad) {
		bad_answer(call->id, shared->bad);
		return;
	}
	if (!sense_message_get_findings(call->body, call->body_len, &message, &why)) {
		answer_error(call->id, "invalid", 0, 0);
		return;
	}
	lock();
	shared->batches++;
	if (message.count > shared->rows_most)
		shared->rows_most = message.count;
	if (call->body_len > shared->bytes_most)
		shared->bytes_most = (uint32_t)call->body_len;
	if (shared->too_large && message.count > shared->too_large) {
		answer_error(call->id, "too_large", 0, 0);
	} else if (each(&shared->busy_each)) {
		answer_error(call->id, "busy", 5, 0);
	} else if (message.after > shared->through || each(&shared->gap_each)) {
		shared->gaps++;
		answer_error(call->id, "gap", 0, shared->through);
	} else {
		findings_keep(&message, each(&shared->part_each) ? message.count / 2 : message.count);
		const struct sense_message_reported reported = {.through = shared->through};
		sense_rpc_put_result(&answer, call->id);
		sense_message_put_reported(&answer, &reported);
	}
	unlock();
}

static struct sense_message_policy policy_offered(void)
{
	struct sense_message_policy policy = {.generation = shared->generation};
	memcpy(policy.hash, shared->hash, sizeof policy.hash);
	return policy;
}

static void policies_answer(const struct sense_rpc_message *call)
{
	struct sense_message_get_policies asked;
	const char *why;
	char storage[256];
	if (!sense_message_get_get_policies(call->body, call->body_len, storage, &asked, &why) ||
	    asked.offset > shared->bundle_len) {
		answer_error(call->id, "invalid", 0, 0);
		return;
	}
	size_t left = shared->bundle_len - asked.offset, most = shared->piece ? shared->piece : 20000;
	const struct sense_message_policies policies = {
	    .policy = policy_offered(),
	    .manifest = {shared->manifest, shared->manifest_len},
	    .signature = {shared->signature, 64},
	    .size = shared->bundle_len,
	    .offset = asked.offset,
	    .bytes = {shared->bundle + asked.offset, left < most ? left : most},
	};
	sense_rpc_put_result(&answer, call->id);
	sense_message_put_policies(&answer, &policies);
	shared->pieces++;
}

static void acknowledged_answer(const struct sense_rpc_message *call)
{
	static char storage[65536 + SENSE_MESSAGE_STORAGE_EXTRA];
	struct sense_message_acknowledge message;
	struct sense_message_rule rule;
	const char *why;
	if (!sense_message_get_acknowledge(call->body, call->body_len, storage, &message, &why)) {
		answer_error(call->id, "invalid", 0, 0);
		return;
	}
	shared->told_rules = message.count;
	shared->told_rule[0] = '\0';
	while (sense_message_rule_next(&message, &rule))
		snprintf(shared->told_rule, sizeof shared->told_rule, "%s %s", rule.id, rule.state);
	snprintf(shared->told_problem, sizeof shared->told_problem, "%s",
	         message.problem ? message.problem : "");
	shared->told_loaded = message.loaded;
	shared->told = message.policy.generation;
	sense_rpc_put_result(&answer, call->id);
	sense_message_put_nothing(&answer);
}

/* The same three until their results are there: the second has expired. */
static void commands_answer(const struct sense_rpc_message *call)
{
	struct sense_message_commands commands = {.count = shared->commands && shared->results < 6 ? 3 : 0};
	commands.commands[0] = (struct sense_message_command){.id = "1",
	                                                      .name = "first",
	                                                      .argument_count = 1,
	                                                      .expires = UINT64_MAX,
	                                                      .arguments = {{"a", "b"}}};
	commands.commands[1] = (struct sense_message_command){.id = "2", .name = "late", .expires = 1};
	commands.commands[2] =
	    (struct sense_message_command){.id = "3", .name = "wrong", .expires = UINT64_MAX};
	shared->command_asks++;
	sense_rpc_put_result(&answer, call->id);
	sense_message_put_commands(&answer, &commands);
}

static void result_answer(const struct sense_rpc_message *call)
{
	static char storage[131072];
	struct sense_message_result message;
	const char *why;
	if (sense_message_get_result(call->body, call->body_len, storage, &message, &why) &&
	    *message.id >= '1' && *message.id <= '3')
		snprintf(shared->result[*message.id - '1'], sizeof shared->result[0], "%s %s %.*s",
		         message.status, message.detail ? message.detail : "-", (int)message.output.len,
		         (const char *)message.output.data);
	shared->results++;
	sense_rpc_put_result(&answer, call->id);
	sense_message_put_nothing(&answer);
}

static void registered_answer(const struct sense_rpc_message *call)
{
	static char storage[65536];
	struct sense_message_register message;
	const char *why;
	if (!sense_message_get_register(call->body, call->body_len, storage, &message, &why)) {
		answer_error(call->id, "invalid", 0, 0);
		return;
	}
	snprintf(shared->version, sizeof shared->version, "%s", message.version);
	snprintf(shared->host, sizeof shared->host, "%s", message.host);
	snprintf(shared->os, sizeof shared->os, "%s", message.os);
	const struct sense_message_registered registered = {.agent = AGENT,
	                                                    .organization = ORGANIZATION,
	                                                    .time = sense_clock_us(),
	                                                    .heartbeat = shared->heartbeat,
	                                                    .through = shared->through,
	                                                    .batch_rows = shared->rows_max,
	                                                    .batch_bytes = shared->bytes_max,
	                                                    .policy = policy_offered()};
	sense_rpc_put_result(&answer, call->id);
	sense_message_put_registered(&answer, &registered);
	shared->sessions++;
}

static void renew_answer(const struct peer *peer, const struct sense_rpc_message *call)
{
	struct sense_message_bytes asked;
	const char *why;
	if (!sense_message_get_renew(call->body, call->body_len, &asked, &why)) {
		answer_error(call->id, "invalid", 0, 0);
		return;
	}
	const uint8_t *at = asked.data;
	X509_REQ *request = d2i_X509_REQ(NULL, &at, (long)asked.len);
	EVP_PKEY *key = X509_REQ_get_pubkey(request);
	X509 *made = certificate_make(key, AGENT, &peer->ca, NULL, -60, 86400 * 90);
	uint8_t *der = NULL;
	int len = i2d_X509(made, &der);
	const struct sense_message_renewed renewed = {.certificate = {der, (size_t)len}, .expires = 1};
	sense_rpc_put_result(&answer, call->id);
	sense_message_put_renewed(&answer, &renewed);
	shared->renewals++;
	OPENSSL_free(der);
	X509_free(made);
	EVP_PKEY_free(key);
	X509_REQ_free(request);
}

/* Into `answer`, which stays empty when it is held. */
static void call_answer(const struct peer *peer, const struct sense_rpc_message *call)
{
	const struct sense_message_beat beat = {.time = sense_clock_us(),
	                                        .policy = policy_offered(),
	                                        .commands = shared->commands && shared->results < 6 ? 3 : 0};
	if (sense_wire_is(&call->method, SENSE_METHOD_FINDINGS)) {
		for (int i = 0; i < shared->notify; i++) {
			sense_rpc_put_notification(&answer, i % 2 ? "SomethingNew" : SENSE_NOTIFY_COMMAND);
			sense_message_put_nothing(&answer);
		}
		if (!shared->hold)
			findings_answer(call);
	} else if (sense_wire_is(&call->method, SENSE_METHOD_REGISTER)) {
		shared->hang_up ? _exit(0) : registered_answer(call);
	} else if (sense_wire_is(&call->method, SENSE_METHOD_RENEW)) {
		renew_answer(peer, call);
	} else if (sense_wire_is(&call->method, SENSE_METHOD_HEARTBEAT)) {
		shared->heartbeats++;
		sense_rpc_put_result(&answer, call->id);
		sense_message_put_beat(&answer, &beat);
	} else if (sense_wire_is(&call->method, SENSE_METHOD_POLICIES)) {
		policies_answer(call);
	} else if (sense_wire_is(&call->method, SENSE_METHOD_ACKNOWLEDGE)) {
		acknowledged_answer(call);
	} else if (sense_wire_is(&call->method, SENSE_METHOD_COMMANDS)) {
		commands_answer(call);
	} else if (sense_wire_is(&call->method, SENSE_METHOD_RESULT)) {
		result_answer(call);
	} else {
		answer_error(call->id, "unknown_method", 0, 0);
	}
}

static bool message_answer(const struct peer *peer, SSL *ssl, const uint8_t *data, size_t len)
{
	struct sense_rpc_message message;
	const char *why;
	answer = (struct sense_wire_writer){.data = answer_room, .cap = sizeof answer_room};
	if (!sense_rpc_parse(data, len, &message, &why) || message.kind != SENSE_RPC_REQUEST) {
		fprintf(stderr, "# the agent's message: %s\n", why);
		return false;
	}
	call_answer(peer, &message);
	return !answer.len || SSL_write(ssl, answer.data, (int)answer.len) > 0;
}

static void session_serve(const struct peer *peer, SSL *ssl)
{
	static uint8_t data[16384];
	uint8_t *message = malloc(SENSE_RPC_MESSAGE_MAX);
	size_t have = 0;
	struct sense_rpc_scanner scanner;
	sense_rpc_scan_init(&scanner, SENSE_RPC_MESSAGE_MAX);
	for (int got; (got = SSL_read(ssl, data, sizeof data)) > 0;) {
		for (size_t at = 0, used; at < (size_t)got; at += used) {
			enum sense_rpc_scan scan =
			    sense_rpc_scan(&scanner, data + at, (size_t)got - at, &used);
			memcpy(message + have, data + at, used);
			have += used;
			if (scan == SENSE_RPC_MORE)
				break;
			if (scan == SENSE_RPC_BROKEN || !message_answer(peer, ssl, message, have))
				_exit(1);
			have = 0;
		}
	}
	free(message);
}

static int alpn(SSL *ssl, const unsigned char **out, unsigned char *len, const unsigned char *in,
                unsigned in_len, void *arg)
{
	static const unsigned char ours[] = "\x07" SENSE_RPC_ALPN;
	(void)ssl;
	(void)arg;
	return SSL_select_next_proto((unsigned char **)(uintptr_t)out, len, ours, sizeof ours - 1, in,
	                             in_len) == OPENSSL_NPN_NEGOTIATED
	         ? SSL_TLSEXT_ERR_OK
	         : SSL_TLSEXT_ERR_ALERT_FATAL;
}

static SSL *peer_accept(const struct peer *peer, int fd, bool http)
{
	SSL_CTX *tls = SSL_CTX_new(TLS_server_method());
	SSL_CTX_set_min_proto_version(tls, TLS1_3_VERSION);
	SSL_CTX_use_certificate(tls, peer->certificate);
	SSL_CTX_use_PrivateKey(tls, peer->key);
	SSL_CTX_add1_chain_cert(tls, peer->ca.certificate);
	if (!http) {
		X509_STORE_add_cert(SSL_CTX_get_cert_store(tls), peer->ca.certificate);
		SSL_CTX_set_verify(tls, SSL_VERIFY_PEER | SSL_VERIFY_FAIL_IF_NO_PEER_CERT, NULL);
		SSL_CTX_set_alpn_select_cb(tls, alpn, NULL);
	}
	SSL *ssl = SSL_new(tls);
	SSL_set_fd(ssl, fd);
	if (SSL_accept(ssl) == 1)
		return ssl;
	shared->handshakes_failed++;
	return NULL;
}

/* Each connection has a process of its own: one that is cut off in the middle takes nothing with it. */
static void peer_main(const struct peer *peer, void (*http)(SSL *ssl))
{
	prctl(PR_SET_PDEATHSIG, SIGKILL);
	signal(SIGCHLD, SIG_IGN);
	for (;;) {
		int fd = accept(peer->listener, NULL, NULL);
		if (fd < 0)
			continue;
		if (!fork()) {
			prctl(PR_SET_PDEATHSIG, SIGKILL);
			srand((unsigned)getpid());
			SSL *ssl = peer_accept(peer, fd, http != NULL);
			if (ssl && http)
				http(ssl);
			else if (ssl)
				session_serve(peer, ssl);
			_exit(0);
		}
		close(fd);
	}
}

/* ca: of its clients; by: who signed its own certificate. http: what is done instead of a session; or NULL. */
__attribute__((unused)) static struct peer peer_start(const struct authority *ca, const struct authority *by,
                                                      const char *san, uint16_t port, void (*http)(SSL *ssl))
{
	struct peer peer = {.ca = *ca, .key = EVP_EC_gen("P-256"), .port = port};
	peer.certificate = certificate_make(peer.key, "server", by, san, -86400, 86400 * 30);
	peer.listener = listen_at(&peer.port);
	fflush(NULL);
	peer.pid = fork();
	if (!peer.pid) {
		peer_main(&peer, http);
		_exit(0);
	}
	close(peer.listener);
	return peer;
}

__attribute__((unused)) static void peer_stop(struct peer *peer)
{
	kill(peer->pid, SIGKILL);
	waitpid(peer->pid, NULL, 0);
	EVP_PKEY_free(peer->key);
	X509_free(peer->certificate);
}

#endif
