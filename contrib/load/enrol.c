/* Agents by enrolment, as real ones come: a key, a request and a token over HTTPS, each on a connection of
 * its own. */
#include <jansson.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <openssl/err.h>
#include <openssl/pem.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "contrib/load/load.h"
#include "proto/hex.h"
#include "proto/token.h"
#include "server/pki/key.h"

enum { ANSWER_MAX = 64 * 1024, TRIES = 3 };

struct enrolling {
	struct load *load;
	SSL_CTX *tls;
	char token[2 * (SENSE_TOKEN_ID + SENSE_TOKEN_SECRET) + 1];
	atomic_uint next;
	pthread_mutex_t lock; /* of counts and of what was wrong */
	unsigned failed;
	sense_error err;
};

static char *request_pem(EVP_PKEY *key)
{
	char *text = NULL, *data;
	X509_REQ *request = X509_REQ_new();
	BIO *out = BIO_new(BIO_s_mem());
	if (request && out && X509_REQ_set_pubkey(request, key) &&
	    X509_REQ_sign(request, key, EVP_sha256()) && PEM_write_bio_X509_REQ(out, request) == 1) {
		long len = BIO_get_mem_data(out, &data);
		text = strndup(data, (size_t)len);
	}
	BIO_free(out);
	X509_REQ_free(request);
	return text;
}

static char *ask_text(const struct enrolling *e, unsigned index, EVP_PKEY *key)
{
	char host[32], *all = NULL, *csr = request_pem(key);
	snprintf(host, sizeof host, "host-%u", index);
	json_t *json = json_pack("{s:s, s:s, s:s, s:s}", "token", e->token, "csr", csr ? csr : "", "host",
	                         host, "version", "0.3.0");
	char *body = json ? json_dumps(json, JSON_COMPACT) : NULL;
	if (body && asprintf(&all,
	                     "POST /v1/enroll HTTP/1.1\r\nHost: sense\r\nContent-Type: application/json\r\n"
	                     "Content-Length: %zu\r\nConnection: close\r\n\r\n%s",
	                     strlen(body), body) < 0)
		all = NULL;
	json_decref(json);
	free(body);
	free(csr);
	return all;
}

/* Sends and reads to the end; the length of what came, 0 when it failed. */
static size_t exchange(const struct enrolling *e, const char *text, char *answer)
{
	const struct load *load = e->load;
	struct timeval limit = {.tv_sec = (time_t)load->options.timeout + 1};
	int on = 1, n = 0, fd = socket(load->servers[0].ss_family, SOCK_STREAM | SOCK_CLOEXEC, 0);
	size_t len = 0;
	setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &limit, sizeof limit);
	setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
	SSL *ssl = SSL_new(e->tls);
	if (ssl && connect(fd, (const struct sockaddr *)&load->servers[0], load->server_len[0]) == 0 &&
	    SSL_set_fd(ssl, fd) == 1 && SSL_connect(ssl) == 1 &&
	    SSL_write(ssl, text, (int)strlen(text)) > 0) {
		while (len < ANSWER_MAX - 1 &&
		       (n = SSL_read(ssl, answer + len, (int)(ANSWER_MAX - 1 - len))) > 0)
			len += (size_t)n;
	}
	answer[len] = '\0';
	SSL_free(ssl);
	close(fd);
	ERR_clear_error();
	return len;
}

/* Empty: the agent has its certificate. */
static const char *answer_take(struct load_agent *agent, char *answer)
{
	const char *body = strstr(answer, "\r\n\r\n");
	json_t *json = body ? json_loads(body + 4, 0, NULL) : NULL;
	const char *pem = json_string_value(json_object_get(json, "certificate"));
	const char *uuid = json_string_value(json_object_get(json, "agent"));
	if (pem && uuid) {
		BIO *in = BIO_new_mem_buf(pem, -1);
		agent->certificate = in ? PEM_read_bio_X509(in, NULL, NULL, NULL) : NULL;
		snprintf(agent->uuid, sizeof agent->uuid, "%s", uuid);
		BIO_free(in);
	}
	json_decref(json);
	if (agent->certificate)
		return "";
	answer[strcspn(answer, "\r\n")] = '\0';
	return *answer ? answer : "no answer";
}

static void enrol_one(struct enrolling *e, unsigned index, char *answer)
{
	struct load_agent *agent = &e->load->agents[index];
	const char *why = "no memory";
	agent->key = sense_key_make(SENSE_KEY_P256, NULL);
	char *text = agent->key ? ask_text(e, index, agent->key) : NULL;
	double begun = ev_time();
	for (unsigned tries = 0; text && tries < TRIES && *why; tries++) {
		exchange(e, text, answer);
		why = answer_take(agent, answer);
	}
	double took = ev_time() - begun;
	free(text);
	pthread_mutex_lock(&e->lock);
	if (*why) {
		e->failed++;
		sense_fail(&e->err, SENSE_E_CONFIG, "load", "enrolment: %s", why);
	} else {
		load_histogram_add(&e->load->counts.enrolment, (uint64_t)(took * 1e6));
	}
	pthread_mutex_unlock(&e->lock);
}

static void *enrol_many(void *self)
{
	struct enrolling *e = self;
	char *answer = malloc(ANSWER_MAX);
	unsigned index;
	while (answer && (index = atomic_fetch_add(&e->next, 1)) < e->load->options.agents)
		enrol_one(e, index, answer);
	free(answer);
	return NULL;
}

static enum sense_status token_take(struct enrolling *e, sense_error *err)
{
	struct sense_token token;
	const char *why;
	if (!sense_token_decode(e->load->options.token, &token, &why))
		return sense_fail(err, SENSE_E_CONFIG, "load", "the token %s", why);
	sense_hex_text(token.id, SENSE_TOKEN_ID, e->token);
	sense_hex_text(token.secret, SENSE_TOKEN_SECRET, e->token + 2 * SENSE_TOKEN_ID);
	return SENSE_OK;
}

enum sense_status load_identities_enrol(struct load *load, sense_error *err)
{
	struct enrolling e = {.load = load, .lock = PTHREAD_MUTEX_INITIALIZER};
	pthread_t threads[256];
	unsigned count = 0;
	enum sense_status status = token_take(&e, err);
	if (!status)
		status = load_transport_begin(load, err);
	if (status)
		return status;
	e.tls = SSL_CTX_new(TLS_client_method());
	if (!e.tls || SSL_CTX_load_verify_locations(e.tls, load->options.ca, NULL) != 1)
		return sense_fail(err, SENSE_E_CONFIG, "load", "%s: no certificate of a CA",
		                  load->options.ca);
	SSL_CTX_set_verify(e.tls, SSL_VERIFY_PEER, NULL);
	double begun = ev_time();
	while (count < load->options.enrol_parallel && !pthread_create(&threads[count], NULL, enrol_many, &e))
		count++;
	for (unsigned i = 0; i < count; i++)
		pthread_join(threads[i], NULL);
	load->counts.enrolled_s = ev_time() - begun;
	SSL_CTX_free(e.tls);
	SSL_CTX_free(load->tls);
	load->tls = NULL;
	if (e.failed)
		return sense_fail(err, SENSE_E_CONFIG, "load", "%u of %u agents did not enrol: %s", e.failed,
		                  load->options.agents, e.err.message);
	return SENSE_OK;
}
