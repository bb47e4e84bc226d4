/*
 * A worker of the server in a process of its own, with methods for tests, and agents that connect to it by
 * TLS: real sockets on the loopback, real certificates, made by openssl(1) in a temporary directory.
 *
 * Methods: Echo answers with its parameters; Hold never answers; Later answers {} after 300 ms.
 */
#ifndef SENSE_T_LISTENER_WORLD_H
#define SENSE_T_LISTENER_WORLD_H

#include <arpa/inet.h>
#include <openssl/err.h>
#include <openssl/pem.h>
#include <openssl/ssl.h>
#include <openssl/x509v3.h>
#include <poll.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include "core/base/log.h"
#include "proto/rpc.h"
#include "server/metrics.h"
#include "server/proc/worker.h"
#include "t/tap.h"

static char world_dir[64];
static unsigned world_port;
static pid_t world_worker;
static SSL_CTX *world_context;

static void world_bail(const char *what)
{
	printf("Bail out! %s\n", what);
	exit(1);
}

static void world_certificates(void)
{
	static const char script[] =
	    "set -e; cd %s; exec 2>/dev/null; new='-newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes'\n"
	    "openssl req -x509 $new -keyout ca.key -out ca.pem -subj '/CN=Test CA' -days 2\n"
	    "sign() { openssl req $new -keyout $1.key -out $1.csr -subj \"$2\"\n"
	    "  printf \"extendedKeyUsage=$3\\nsubjectAltName=$5\\n\" >$1.ext\n"
	    "  openssl x509 -req -in $1.csr -CA ca.pem -CAkey ca.key -set_serial $4 -days 2 -extfile $1.ext "
	    "-out $1.pem; }\n"
	    "sign server /CN=localhost serverAuth 0x1001 DNS:localhost\n"
	    "sign agent /O=11111111-1111-4111-8111-111111111111/CN=22222222-2222-4222-8222-222222222222 "
	    "clientAuth 0x1002 URI:sense:agent:22222222-2222-4222-8222-222222222222\n";
	char text[2048];
	snprintf(world_dir, sizeof world_dir, "/tmp/sense-listener-XXXXXX");
	if (!mkdtemp(world_dir))
		world_bail("no temporary directory");
	snprintf(text, sizeof text, script, world_dir);
	if (system(text))
		world_bail("openssl made no certificates");
}

/* ---- the worker --------------------------------------------------------------------------------------- */

static void world_echo(void *self, sense_calls *calls, struct sense_call_ref ref,
                       const struct sense_peer *peer, const uint8_t *params, size_t len)
{
	(void)self, (void)peer;
	sense_call_answer(calls, ref, params, len);
}

static void world_hold(void *self, sense_calls *calls, struct sense_call_ref ref,
                       const struct sense_peer *peer, const uint8_t *params, size_t len)
{
	(void)self, (void)calls, (void)ref, (void)peer, (void)params, (void)len;
}

static struct {
	struct ev_loop *loop;
	ev_timer timer;
	sense_calls *calls;
	struct sense_call_ref ref;
} world_late;

static void world_late_answer(struct ev_loop *loop, ev_timer *timer, int events)
{
	static uint8_t body[64] = {0x81, 0xa1, 'k', 0xc4, 0}; /* as long as what was asked */
	(void)loop, (void)timer, (void)events;
	sense_call_answer(world_late.calls, world_late.ref, body, 5);
}

static void world_later(void *self, sense_calls *calls, struct sense_call_ref ref,
                        const struct sense_peer *peer, const uint8_t *params, size_t len)
{
	(void)self, (void)peer, (void)params, (void)len;
	world_late.calls = calls;
	world_late.ref = ref;
	ev_timer_init(&world_late.timer, world_late_answer, 0.3, 0);
	ev_timer_start(world_late.loop, &world_late.timer);
}

static enum sense_status world_part(void *self, struct sense_server_worker *worker, void **state,
                                    sense_error *err)
{
	(void)self, (void)state, (void)err;
	world_late.loop = worker->loop;
	sense_calls_method(worker->calls, &(struct sense_method){"Later", world_later, NULL});
	sense_calls_method(worker->calls, &(struct sense_method){"Echo", world_echo, NULL});
	sense_calls_method(worker->calls, &(struct sense_method){"Hold", world_hold, NULL});
	return SENSE_OK;
}

static int world_run(struct sense_listen *listen, int ready_fd, const char *const *settings)
{
	sense_error err;
	static struct sense_conf conf;
	static const struct sense_worker_part parts[] = {{"test", NULL, world_part, NULL}};
	char ca[128], certificate[128], key[128];
	sense_conf_init(&conf, &sense_server_conf, &err);
	for (; *settings; settings += 2)
		if (sense_conf_set(&conf, settings[0], settings[1], "test", &err))
			return 2;
	snprintf(ca, sizeof ca, "%s/ca.pem", world_dir);
	snprintf(certificate, sizeof certificate, "%s/server.pem", world_dir);
	snprintf(key, sizeof key, "%s/server.key", world_dir);
	sense_server_tls *tls =
	    sense_server_tls_new(&(struct sense_server_tls_files){ca, certificate, key}, &err);
	struct sense_worker_plan plan = {.conf = &conf, .tls = tls, .parts = parts, .part_count = 1};
	struct sense_server_process process = {
	    .name = "worker", .generation = 1, .ready_fd = ready_fd, .listen = listen, .drain_us = 2000000};
	int code = tls ? sense_worker_run(&plan, &process) : 3;
	sense_server_tls_free(tls);
	sense_conf_fini(&conf);
	return code;
}

/* settings: key, value, ..., NULL. */
static void world_begin(const char *const *settings)
{
	static const char *const address = "127.0.0.1:0";
	static struct sense_listen listen;
	sense_error err;
	int ready[2];
	char byte;
	signal(SIGPIPE, SIG_IGN);
	sense_descriptors_raise(6000);
	if (!*world_dir)
		world_certificates();
	if (sense_listen_open(&listen, &address, 1, 1, NULL, &err) || pipe(ready))
		world_bail(err.message);
	if (!sense_metrics_places() && (sense_worker_metrics(&err) || sense_metrics_share(4, &err)))
		world_bail(err.message);
	world_port = sense_listen_port(&listen, 0);
	fflush(stdout);
	world_worker = fork();
	if (!world_worker) {
		close(ready[0]);
		exit(world_run(&listen, ready[1], settings));
	}
	close(ready[1]);
	if (read(ready[0], &byte, 1) != 1)
		world_bail("the worker did not begin");
	close(ready[0]);
	sense_listen_fini(&listen);
}

/* Tells it to end. Its exit code, or 128 and the signal that ended it. */
static int world_end(void)
{
	int status = 0;
	kill(world_worker, SIGTERM);
	waitpid(world_worker, &status, 0);
	return WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
}

static void world_remove(void)
{
	char text[128];
	SSL_CTX_free(world_context);
	snprintf(text, sizeof text, "rm -r %s", world_dir);
	if (system(text))
		perror(world_dir);
}

/* ---- agents -------------------------------------------------------------------------------------------- */

static EVP_PKEY *world_ca_key(void)
{
	static EVP_PKEY *key;
	char path[128];
	if (!key) {
		snprintf(path, sizeof path, "%s/ca.key", world_dir);
		FILE *in = fopen(path, "r");
		key = in ? PEM_read_PrivateKey(in, NULL, NULL, NULL) : NULL;
		if (!key)
			world_bail("no key of the CA");
		fclose(in);
	}
	return key;
}

/* The same certificate with the same key, for another agent. */
static X509 *world_certificate_of(unsigned agent)
{
	char uuid[40], uri[64];
	X509 *made = X509_dup(SSL_CTX_get0_certificate(world_context));
	X509_NAME *name = X509_get_subject_name(made);
	snprintf(uuid, sizeof uuid, "22222222-2222-4222-8222-%012x", agent);
	snprintf(uri, sizeof uri, "URI:sense:agent:%s", uuid);
	X509_NAME_ENTRY_free(
	    X509_NAME_delete_entry(name, X509_NAME_get_index_by_NID(name, NID_commonName, -1)));
	X509_NAME_add_entry_by_txt(name, "CN", MBSTRING_ASC, (const unsigned char *)uuid, -1, -1, 0);
	X509_EXTENSION_free(X509_delete_ext(made, X509_get_ext_by_NID(made, NID_subject_alt_name, -1)));
	X509_EXTENSION *names = X509V3_EXT_conf_nid(NULL, NULL, NID_subject_alt_name, uri);
	X509_add_ext(made, names, -1);
	X509_EXTENSION_free(names);
	ASN1_INTEGER_set(X509_get_serialNumber(made), 0x2000 + (long)agent);
	if (!X509_sign(made, world_ca_key(), EVP_sha256()))
		world_bail("no certificate for another agent");
	return made;
}

/* agent 0: that of the file. NULL: no connection. Blocking; gives up after a minute. */
static SSL *world_connect_as(unsigned agent)
{
	struct sockaddr_in address = {.sin_family = AF_INET,
	                              .sin_port = htons((uint16_t)world_port),
	                              .sin_addr = {htonl(INADDR_LOOPBACK)}};
	static const unsigned char alpn[] = "\x07sense/1";
	struct timeval patience = {60, 0};
	char file[128];
	if (!world_context) {
		world_context = SSL_CTX_new(TLS_client_method());
		snprintf(file, sizeof file, "%s/agent.pem", world_dir);
		SSL_CTX_use_certificate_file(world_context, file, SSL_FILETYPE_PEM);
		snprintf(file, sizeof file, "%s/agent.key", world_dir);
		SSL_CTX_use_PrivateKey_file(world_context, file, SSL_FILETYPE_PEM);
		SSL_CTX_set_alpn_protos(world_context, alpn, sizeof alpn - 1);
		SSL_CTX_set_mode(world_context, SSL_MODE_RELEASE_BUFFERS);
	}
	int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
	setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof patience);
	setsockopt(fd, SOL_SOCKET, SO_SNDTIMEO, &patience, sizeof patience);
	SSL *ssl = SSL_new(world_context);
	X509 *other = agent ? world_certificate_of(agent) : NULL;
	if (other)
		SSL_use_certificate(ssl, other);
	X509_free(other);
	if (connect(fd, (struct sockaddr *)&address, sizeof address) || !SSL_set_fd(ssl, fd) ||
	    SSL_connect(ssl) != 1) {
		SSL_free(ssl);
		close(fd);
		return NULL;
	}
	return ssl;
}

static SSL *world_connect(void)
{
	return world_connect_as(0);
}

static void world_close(SSL *ssl)
{
	int fd = SSL_get_fd(ssl);
	SSL_shutdown(ssl);
	SSL_free(ssl);
	close(fd);
}

/* [0, id, method, [{"k": a bin of n bytes}]] */
static size_t world_request(uint8_t *out, size_t cap, uint32_t id, const char *method, size_t n)
{
	struct sense_wire_writer writer = {.data = out, .cap = cap};
	uint8_t *bytes = calloc(1, n + 1);
	sense_rpc_put_request(&writer, id, method);
	sense_wire_put_map(&writer, 1);
	sense_wire_put_string(&writer, "k");
	sense_wire_put_bytes(&writer, bytes, n);
	free(bytes);
	return writer.full ? 0 : writer.len;
}

/* Reads one message, and whether it is the answer to this request of so many bytes. */
static bool world_answered(SSL *ssl, uint32_t id, size_t request_len)
{
	static uint8_t data[SENSE_RPC_MESSAGE_MAX + 1024];
	struct sense_rpc_scanner scanner;
	struct sense_rpc_message message;
	const char *why;
	size_t len = 0, used;
	sense_rpc_scan_init(&scanner, SENSE_RPC_MESSAGE_MAX);
	for (;;) {
		int got = SSL_read(ssl, data + len, (int)(sizeof data - len));
		if (got <= 0)
			return false;
		enum sense_rpc_scan found = sense_rpc_scan(&scanner, data + len, (size_t)got, &used);
		len += (size_t)got;
		if (found == SENSE_RPC_BROKEN)
			return false;
		if (found == SENSE_RPC_WHOLE)
			break;
	}
	return sense_rpc_parse(data, len, &message, &why) && message.kind == SENSE_RPC_RESPONSE &&
	       message.id == id && message.body && message.body_len + 64 > request_len &&
	       message.body_len < request_len;
}

/* Whether the other end has closed it, after whatever else came. */
__attribute__((unused)) static bool world_ended(SSL *ssl)
{
	uint8_t data[65536];
	while (SSL_read(ssl, data, sizeof data) > 0)
		;
	int code = SSL_get_error(ssl, 0);
	ERR_clear_error();
	return code != SSL_ERROR_WANT_READ;
}

#endif
