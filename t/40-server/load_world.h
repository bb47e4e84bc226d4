/*
 * A whole sense-server in a temporary directory, with stores and a CA of its own, and agents that talk to it
 * byte by byte over real TLS: for what a well-behaved client would never send. Everything is on the loopback
 * and bounded in time.
 */
#ifndef SENSE_T_LOAD_WORLD_H
#define SENSE_T_LOAD_WORLD_H

#include <arpa/inet.h>
#include <fcntl.h>
#include <ftw.h>
#include <libpq-fe.h>
#include <netinet/tcp.h>
#include <openssl/err.h>
#include <openssl/ssl.h>
#include <poll.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "proto/finding.h"
#include "proto/message.h"
#include "proto/rpc.h"
#include "server/pki/ca.h"
#include "t/tap.h"

#define WORLD_PATIENCE 90
#define WORLD_ORG "11111111-1111-4111-8111-111111111111"
#define WORLD_ORG_OTHER "99999999-9999-4999-8999-999999999999"

static struct {
	char dir[64], data[96];
	unsigned port;
	pid_t server, owner;
	PGconn *conn;
	struct sense_issuer ca;
	EVP_PKEY *key;
	STACK_OF(X509) *certificates; /* all that were made, to be freed at the end */
} world;

/* ---- the server ---------------------------------------------------------------------------------------- */

static void world_bail(const char *what)
{
	printf("Bail out! %s\n", what);
	exit(1);
}

static int world_remove_one(const char *path, const struct stat *info, int kind, struct FTW *walk)
{
	(void)info, (void)kind, (void)walk;
	return remove(path);
}

static void world_end(void)
{
	if (!world.owner || world.owner != getpid())
		return;
	PQfinish(world.conn);
	sense_ca_lock(&world.ca);
	EVP_PKEY_free(world.key);
	sk_X509_pop_free(world.certificates, X509_free);
	int status = 0, ended = 0;
	kill(world.server, SIGTERM);
	for (unsigned i = 0; i < WORLD_PATIENCE * 20 && !ended; i++) {
		ended = waitpid(world.server, &status, WNOHANG) != 0;
		usleep(50000);
	}
	if (!ended)
		kill(world.server, SIGKILL);
	nftw(world.dir, world_remove_one, 16, FTW_DEPTH | FTW_PHYS);
	world.owner = 0;
}

static unsigned world_port_find(void)
{
	struct sockaddr_in at = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
	socklen_t len = sizeof at;
	int fd = socket(AF_INET, SOCK_STREAM, 0);
	if (bind(fd, (struct sockaddr *)&at, sizeof at) || getsockname(fd, (struct sockaddr *)&at, &len))
		world_bail("no port");
	close(fd);
	return ntohs(at.sin_port);
}

static void world_exec(const char *program)
{
	char log[128], dir[128], listen[64];
	snprintf(log, sizeof log, "%s/log", world.dir);
	snprintf(dir, sizeof dir, "server.dir=%s", world.data);
	snprintf(listen, sizeof listen, "server.listen=127.0.0.1:%u", world.port);
	int fd = open(log, O_WRONLY | O_CREAT | O_TRUNC, 0600);
	dup2(fd, 1);
	dup2(fd, 2);
	snprintf(log, sizeof log, "%s/server.lua", world.dir);
	close(open(log, O_WRONLY | O_CREAT, 0600));
	execl(program, program, "run", "-c", log, "--set", dir, "--set", listen, "--set", "server.workers=2",
	      "--set", "server.per_address=10000", (char *)NULL);
	_exit(99);
}

static bool world_log_has(const char *what)
{
	char path[128], text[65536];
	snprintf(path, sizeof path, "%s/log", world.dir);
	int fd = open(path, O_RDONLY);
	ssize_t len = fd < 0 ? 0 : read(fd, text, sizeof text - 1);
	close(fd);
	text[len > 0 ? len : 0] = '\0';
	return strstr(text, what) != NULL;
}

/* The first value of what the statement gives, or "" for none and NULL. */
__attribute__((unused, format(printf, 1, 2))) static const char *sql(const char *fmt, ...)
{
	static char value[8192], text[16384];
	va_list args;
	va_start(args, fmt);
	vsnprintf(text, sizeof text, fmt, args);
	va_end(args);
	PGresult *result = PQexec(world.conn, text);
	ExecStatusType status = PQresultStatus(result);
	value[0] = '\0';
	if (status != PGRES_TUPLES_OK && status != PGRES_COMMAND_OK)
		fprintf(stderr, "# %s: %s", text, PQerrorMessage(world.conn));
	else if (PQntuples(result) && PQnfields(result))
		snprintf(value, sizeof value, "%s", PQgetvalue(result, 0, 0));
	PQclear(result);
	return value;
}

static void world_begin(void)
{
	char program[4096], conninfo[256];
	sense_error err;
	const char *build = getenv("SENSE_BUILD");
	snprintf(program, sizeof program, "%s/sense-server", build ? build : "build");
	if (access(program, X_OK) || access("/usr/lib/postgresql/15/bin/postgres", X_OK) ||
	    access("/usr/bin/redis-server", X_OK)) {
		printf("1..0 # SKIP the server, PostgreSQL 15 and Redis are needed\n");
		exit(0);
	}
	alarm(570); /* a test never hangs */
	signal(SIGPIPE, SIG_IGN);
	snprintf(world.dir, sizeof world.dir, "/tmp/sense-lp-XXXXXX");
	if (!mkdtemp(world.dir) || chmod(world.dir, 0755))
		world_bail("no temporary directory");
	snprintf(world.data, sizeof world.data, "%s/data", world.dir);
	world.port = world_port_find();
	world.owner = getpid();
	world.server = fork();
	if (!world.server)
		world_exec(program);
	atexit(world_end);
	for (unsigned i = 0; i < WORLD_PATIENCE * 20 && !world_log_has("\"ready: "); i++)
		usleep(50000);
	snprintf(conninfo, sizeof conninfo, "host=%s/run user=sense dbname=sense", world.data);
	world.conn = PQconnectdb(conninfo);
	world.key = sense_key_make(SENSE_KEY_P256, NULL);
	if (PQstatus(world.conn) != CONNECTION_OK || sense_ca_unlock(world.data, NULL, &world.ca, &err))
		world_bail("the server does not run");
	sql("INSERT INTO sense.organizations (id, name) VALUES ('" WORLD_ORG "', 'one'), ('" WORLD_ORG_OTHER
	    "', 'other')");
}

/* ---- agents -------------------------------------------------------------------------------------------- */

struct agent {
	char uuid[SENSE_UUID_TEXT];
	X509 *certificate;
};

/* It lives as long as the world. */
static X509 *certificate_make(const struct sense_issuer *issuer, const char *org, const char *uuid)
{
	X509 *certificate = sense_certificate_agent(issuer, org, uuid, world.key, time(NULL), NULL);
	if (!world.certificates)
		world.certificates = sk_X509_new_null();
	if (!certificate || !sk_X509_push(world.certificates, certificate))
		world_bail("no certificate can be made");
	return certificate;
}

/* In the database as an agent of the first organization; its certificate says `org`. */
static struct agent agent_make(unsigned number, const char *org)
{
	struct agent agent;
	uint8_t serial[SENSE_CERTIFICATE_SERIAL];
	char hex[2 * SENSE_CERTIFICATE_SERIAL + 1] = "";
	snprintf(agent.uuid, sizeof agent.uuid, "22222222-2222-4222-8222-%012u", number);
	agent.certificate = certificate_make(&world.ca, org, agent.uuid);
	size_t len = sense_certificate_serial(agent.certificate, serial);
	for (size_t i = 0; i < len; i++)
		snprintf(hex + 2 * i, 3, "%02x", serial[i]);
	sql("INSERT INTO sense.agents (id, org_id, host) VALUES ('%s', '" WORLD_ORG "', 'host')", agent.uuid);
	sql("INSERT INTO sense.agent_certificates (serial, agent_id, org_id, not_after) VALUES ('\\x%s', "
	    "'%s', '" WORLD_ORG "', now() + interval '90 days')",
	    hex, agent.uuid);
	return agent;
}

__attribute__((unused)) static unsigned kept(const struct agent *agent)
{
	return (unsigned)atoi(sql("SELECT count(*) FROM sense.findings WHERE agent_id = '%s'", agent->uuid));
}

__attribute__((unused)) static unsigned long long through(const struct agent *agent)
{
	return strtoull(sql("SELECT through FROM sense.agent_progress WHERE agent_id = '%s'", agent->uuid),
	                NULL, 10);
}

/* ---- a connection -------------------------------------------------------------------------------------- */

struct talk {
	int fd;
	SSL_CTX *context;
	SSL *ssl;
	unsigned tickets;
	uint32_t id; /* of the call last made */
	uint8_t data[1 << 16];
	size_t len;
};

static int on_session(SSL *ssl, SSL_SESSION *session)
{
	struct talk *talk = SSL_get_app_data(ssl);
	(void)session;
	talk->tickets++;
	return 0;
}

static int tcp_open(void)
{
	struct sockaddr_in at = {.sin_family = AF_INET,
	                         .sin_port = htons((uint16_t)world.port),
	                         .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
	struct timeval limit = {.tv_sec = WORLD_PATIENCE};
	int on = 1, fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
	setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
	setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &limit, sizeof limit);
	if (connect(fd, (struct sockaddr *)&at, sizeof at))
		world_bail("the server does not listen");
	return fd;
}

/* certificate NULL: none is shown. session: to be resumed. False: there was no handshake. */
static bool talk_open(struct talk *talk, X509 *certificate, EVP_PKEY *key, SSL_SESSION *session)
{
	static const unsigned char alpn[] = "\x07" SENSE_RPC_ALPN;
	char path[128];
	*talk = (struct talk){.fd = tcp_open()};
	snprintf(path, sizeof path, "%s/ca.pem", world.data);
	talk->context = SSL_CTX_new(TLS_client_method());
	SSL_CTX_load_verify_locations(talk->context, path, NULL);
	SSL_CTX_set_verify(talk->context, SSL_VERIFY_PEER, NULL);
	SSL_CTX_set_session_cache_mode(talk->context,
	                               SSL_SESS_CACHE_CLIENT | SSL_SESS_CACHE_NO_INTERNAL_STORE);
	SSL_CTX_sess_set_new_cb(talk->context, on_session);
	talk->ssl = SSL_new(talk->context);
	SSL_set_app_data(talk->ssl, talk);
	SSL_set_alpn_protos(talk->ssl, alpn, sizeof alpn - 1);
	SSL_set_fd(talk->ssl, talk->fd);
	if (session)
		SSL_set_session(talk->ssl, session);
	if (certificate) {
		SSL_use_certificate(talk->ssl, certificate);
		SSL_use_PrivateKey(talk->ssl, key ? key : world.key);
	}
	return SSL_connect(talk->ssl) == 1;
}

/* As a cable that is cut: no goodbye. */
static void talk_cut(struct talk *talk)
{
	SSL_free(talk->ssl);
	SSL_CTX_free(talk->context);
	close(talk->fd);
	ERR_clear_error();
}

static bool talk_send(struct talk *talk, const void *data, size_t len)
{
	return SSL_write(talk->ssl, data, (int)len) == (int)len;
}

/* The next message, or false: the connection has ended. It lies in talk->data until the next call. */
static bool talk_hear(struct talk *talk, struct sense_rpc_message *message)
{
	struct sense_rpc_scanner scanner;
	const char *why;
	uint8_t byte;
	size_t used;
	sense_rpc_scan_init(&scanner, SENSE_RPC_MESSAGE_MAX);
	for (talk->len = 0; talk->len < sizeof talk->data;) {
		if (SSL_read(talk->ssl, &byte, 1) != 1)
			return false;
		talk->data[talk->len++] = byte;
		if (sense_rpc_scan(&scanner, &byte, 1, &used) == SENSE_RPC_WHOLE)
			return sense_rpc_parse(talk->data, talk->len, message, &why);
	}
	return false;
}

/* ---- batches ------------------------------------------------------------------------------------------- */

struct batch {
	uint8_t data[1 << 16];
	size_t len;
	uint32_t id;
};

/* A small finding, alike for all agents: its id says which sequence it was made for. */
static size_t finding_make(uint64_t sequence, uint64_t time_us, uint8_t *out, size_t cap)
{
	struct sense_finding finding = {
	    .timestamp = time_us, .severity = "low", .rule = "test.rule", .type = "service"};
	memset(finding.id, 7, sizeof finding.id);
	for (unsigned i = 0; i < 8; i++)
		finding.id[15 - i] = (uint8_t)(sequence >> (8 * i));
	return sense_finding_encode(&finding, out, cap);
}

static void batch_begin(struct batch *batch, struct sense_wire_writer *writer, uint32_t id, uint64_t after,
                        uint32_t count)
{
	*writer = (struct sense_wire_writer){.data = batch->data, .cap = sizeof batch->data};
	batch->id = id;
	sense_rpc_put_request(writer, id, SENSE_METHOD_FINDINGS);
	sense_message_put_findings(writer, after, count);
}

/* Sequences first to last, after `after`. */
static struct batch *batch_make(uint32_t id, uint64_t after, uint64_t first, uint64_t last)
{
	static struct batch batches[8];
	static unsigned next;
	struct batch *batch = &batches[next++ % 8];
	struct sense_wire_writer writer;
	uint8_t bytes[512];
	batch_begin(batch, &writer, id, after, (uint32_t)(last - first + 1));
	for (uint64_t n = first; n <= last; n++) {
		size_t len = finding_make(n, (uint64_t)time(NULL) * 1000000, bytes, sizeof bytes);
		sense_message_put_finding(&writer, n, bytes, len);
	}
	batch->len = writer.len;
	return batch;
}

/* What the server says to a batch. */
struct answer {
	bool there;
	uint32_t id;
	char code[32]; /* empty: it was kept */
	uint64_t through;
	uint32_t refused;
};

static struct answer answer_hear(struct talk *talk)
{
	static char storage[sizeof talk->data + SENSE_MESSAGE_STORAGE_EXTRA];
	struct answer answer = {.there = false};
	struct sense_rpc_message message;
	struct sense_message_reported reported;
	struct sense_message_error error;
	const char *why;
	if (!talk_hear(talk, &message) || message.kind != SENSE_RPC_RESPONSE)
		return answer;
	answer.id = message.id;
	if (message.error &&
	    sense_message_get_error(message.error, message.error_len, storage, &error, &why)) {
		answer.there = true;
		answer.through = error.through;
		snprintf(answer.code, sizeof answer.code, "%s", error.code);
	} else if (message.body &&
	           sense_message_get_reported(message.body, message.body_len, storage, &reported, &why)) {
		answer.there = true;
		answer.through = reported.through;
		answer.refused = reported.refused;
	}
	return answer;
}

static struct answer batch_ask(struct talk *talk, const struct batch *batch)
{
	if (!talk_send(talk, batch->data, batch->len))
		return (struct answer){.there = false};
	return answer_hear(talk);
}

#endif
