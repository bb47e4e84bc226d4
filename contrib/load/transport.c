/* TCP and TLS of one agent, without ever waiting. */
#include <arpa/inet.h>
#include <errno.h>
#include <netdb.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <openssl/err.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "contrib/load/load.h"

enum { READ_SIZE = 64 * 1024, READS_MAX = 8, OUT_KEEP = 4096 };
#define RETRY_FIRST_S 0.1

static void on_io(struct ev_loop *loop, ev_io *io, int events);

/* ---- all agents ---------------------------------------------------------------------------------------- */

static enum sense_status resolve(struct load *load, unsigned i, sense_error *err)
{
	char host[256];
	struct addrinfo hints = {.ai_family = AF_UNSPEC, .ai_socktype = SOCK_STREAM}, *found;
	const char *text = load->options.servers[i], *colon = strrchr(text, ':');
	size_t len = colon ? (size_t)(colon - text) : 0;
	if (!len || len >= sizeof host)
		return sense_fail(err, SENSE_E_CONFIG, "load", "--server %s: HOST:PORT is needed", text);
	bool brackets = *text == '[' && text[len - 1] == ']';
	snprintf(host, sizeof host, "%.*s", (int)(len - 2 * brackets), text + brackets);
	int code = getaddrinfo(host, colon + 1, &hints, &found);
	if (code)
		return sense_fail(err, SENSE_E_CONFIG, "load", "--server %s: %s", text, gai_strerror(code));
	memcpy(&load->servers[i], found->ai_addr, found->ai_addrlen);
	load->server_len[i] = found->ai_addrlen;
	freeaddrinfo(found);
	return SENSE_OK;
}

enum sense_status load_transport_begin(struct load *load, sense_error *err)
{
	static const unsigned char alpn[] = "\x07" SENSE_RPC_ALPN;
	char path[4096];
	const struct load_options *options = &load->options;
	for (unsigned i = 0; i < options->server_count; i++) {
		enum sense_status status = resolve(load, i, err);
		if (status)
			return status;
	}
	snprintf(path, sizeof path, "%s%s", options->ca ? options->ca : options->ca_dir,
	         options->ca ? "" : "/ca.pem");
	load->tls = SSL_CTX_new(TLS_client_method());
	if (!load->tls || !SSL_CTX_set_min_proto_version(load->tls, TLS1_3_VERSION) ||
	    SSL_CTX_set_alpn_protos(load->tls, alpn, sizeof alpn - 1))
		return sense_fail(err, SENSE_E_MEMORY, "load", "no memory for TLS");
	if (SSL_CTX_load_verify_locations(load->tls, path, NULL) != 1)
		return sense_fail(err, SENSE_E_CONFIG, "load", "%s: no certificate of a CA", path);
	SSL_CTX_set_verify(load->tls, SSL_VERIFY_PEER, NULL);
	SSL_CTX_set_session_cache_mode(load->tls, SSL_SESS_CACHE_OFF);
	SSL_CTX_set_mode(load->tls, SSL_MODE_RELEASE_BUFFERS | SSL_MODE_ENABLE_PARTIAL_WRITE |
	                                SSL_MODE_ACCEPT_MOVING_WRITE_BUFFER);
	return SENSE_OK;
}

/* ---- one of them --------------------------------------------------------------------------------------- */

static void watch(struct load_agent *agent)
{
	bool out = agent->state == LOAD_CONNECTS || agent->wants_write || agent->out.len > agent->out.begin;
	int events = EV_READ | (out ? EV_WRITE : 0);
	if (ev_is_active(&agent->io) && (agent->io.events & (EV_READ | EV_WRITE)) == events)
		return;
	ev_io_stop(agent->load->loop, &agent->io);
	ev_io_set(&agent->io, agent->fd, events);
	ev_io_start(agent->load->loop, &agent->io);
}

static bool source_bind(const struct load_agent *agent, const struct sockaddr_storage *server)
{
	struct sockaddr_in from = {.sin_family = AF_INET};
	unsigned sources = agent->load->options.sources;
	if (sources < 2 || server->ss_family != AF_INET)
		return true;
	int late = 1;
	setsockopt(agent->fd, IPPROTO_IP, IP_BIND_ADDRESS_NO_PORT, &late, sizeof late);
	from.sin_addr.s_addr = htonl(INADDR_LOOPBACK + agent->index % sources);
	return bind(agent->fd, (struct sockaddr *)&from, sizeof from) == 0;
}

void load_connect(struct load_agent *agent)
{
	struct load *load = agent->load;
	unsigned at = (unsigned)random() % load->options.server_count;
	const struct sockaddr_storage *server = &load->servers[at];
	int on = 1;
	load->counts.connections++;
	load->connecting++;
	agent->state = LOAD_CONNECTS;
	agent->connected = ev_now(load->loop);
	agent->fd = socket(server->ss_family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
	if (agent->fd < 0 || !source_bind(agent, server)) {
		load_disconnect(agent, "socket");
		return;
	}
	setsockopt(agent->fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
	if (connect(agent->fd, (const struct sockaddr *)server, load->server_len[at]) &&
	    errno != EINPROGRESS) {
		load_disconnect(agent, "connect");
		return;
	}
	ev_io_init(&agent->io, on_io, agent->fd, EV_WRITE);
	agent->io.data = agent;
	watch(agent);
}

void load_disconnect(struct load_agent *agent, const char *why)
{
	struct load *load = agent->load;
	if (agent->state == LOAD_WAITS || agent->state == LOAD_REFUSED)
		return;
	load_error(load, why);
	ERR_clear_error();
	if (agent->state == LOAD_READY) {
		load->ready--;
		load->counts.lost_connections++;
		agent->failures = 0;
	} else {
		load->connecting--;
	}
	load_agent_end(agent);
	ev_io_stop(load->loop, &agent->io);
	SSL_free(agent->ssl);
	agent->ssl = NULL;
	if (agent->fd >= 0)
		close(agent->fd);
	agent->fd = -1;
	free(agent->in.data);
	free(agent->out.data);
	agent->in = agent->out = (struct load_bytes){0};
	agent->wants_write = false;
	agent->due = ev_now(load->loop) + load_pause(RETRY_FIRST_S, agent->failures++, load->options.retry);
	agent->state = LOAD_WAITS;
}

/* What TLS says about a call that did not succeed. False: the connection has ended. */
static bool tls_goes_on(struct load_agent *agent, int result, const char *what)
{
	switch (SSL_get_error(agent->ssl, result)) {
	case SSL_ERROR_WANT_READ:
		return true;
	case SSL_ERROR_WANT_WRITE:
		agent->wants_write = true;
		return true;
	case SSL_ERROR_ZERO_RETURN:
		load_disconnect(agent, "closed");
		return false;
	case SSL_ERROR_SSL: {
		char code[48];
		const char *reason = ERR_reason_error_string(ERR_peek_error());
		snprintf(code, sizeof code, "%s: %s", what, reason ? reason : "TLS");
		load_disconnect(agent, code);
		return false;
	}
	default:
		load_disconnect(agent, "reset");
		return false;
	}
}

static void shake(struct load_agent *agent)
{
	struct load *load = agent->load;
	int result = SSL_do_handshake(agent->ssl);
	if (result != 1) {
		tls_goes_on(agent, result, "handshake");
		return;
	}
	load->counts.handshakes++;
	load_histogram_add(&load->counts.handshake, (uint64_t)((ev_time() - agent->connected) * 1e6));
	agent->state = LOAD_REGISTERS;
	load_agent_begin(agent);
}

static void connected(struct load_agent *agent)
{
	int error = 0;
	socklen_t len = sizeof error;
	getsockopt(agent->fd, SOL_SOCKET, SO_ERROR, &error, &len);
	if (error) {
		load_disconnect(agent, error == ECONNREFUSED ? "connect: refused" : "connect");
		return;
	}
	agent->ssl = SSL_new(agent->load->tls);
	if (!agent->ssl || SSL_set_fd(agent->ssl, agent->fd) != 1 ||
	    SSL_use_certificate(agent->ssl, agent->certificate) != 1 ||
	    SSL_use_PrivateKey(agent->ssl, agent->key) != 1) {
		load_disconnect(agent, "memory");
		return;
	}
	SSL_set_connect_state(agent->ssl);
	agent->state = LOAD_SHAKES;
	shake(agent);
}

/* ---- bytes --------------------------------------------------------------------------------------------- */

static bool add(struct load_bytes *bytes, const void *data, size_t len)
{
	if (bytes->begin && bytes->begin == bytes->len)
		bytes->begin = bytes->len = 0;
	if (bytes->len + len > bytes->cap) {
		size_t cap = (bytes->len + len) * 3 / 2;
		uint8_t *more = realloc(bytes->data, cap);
		if (!more)
			return false;
		bytes->data = more;
		bytes->cap = cap;
	}
	memcpy(bytes->data + bytes->len, data, len);
	bytes->len += len;
	return true;
}

void load_put(struct load_agent *agent, const void *data, size_t len)
{
	agent->load->counts.bytes_out += len;
	if (!add(&agent->out, data, len))
		abort(); /* a load that is not what was asked for is worth nothing */
}

void load_flush(struct load_agent *agent)
{
	struct load_bytes *out = &agent->out;
	agent->wants_write = false;
	while (agent->state >= LOAD_REGISTERS && agent->state != LOAD_REFUSED && out->begin < out->len) {
		ERR_clear_error();
		size_t len = out->len - out->begin;
		int n = SSL_write(agent->ssl, out->data + out->begin, len > READ_SIZE ? READ_SIZE : (int)len);
		if (n <= 0) {
			if (!tls_goes_on(agent, n, "write"))
				return;
			break;
		}
		out->begin += (size_t)n;
	}
	if (out->begin == out->len) {
		out->begin = out->len = 0;
		if (out->cap > OUT_KEEP) {
			free(out->data);
			*out = (struct load_bytes){0};
		}
	}
	if (agent->fd >= 0)
		watch(agent);
}

static void receive(struct load_agent *agent)
{
	static uint8_t data[READ_SIZE];
	for (unsigned i = 0; i < READS_MAX; i++) {
		ERR_clear_error();
		int n = SSL_read(agent->ssl, data, sizeof data);
		if (n <= 0) {
			if (tls_goes_on(agent, n, "read"))
				watch(agent);
			return;
		}
		agent->load->counts.bytes_in += (uint64_t)n;
		if (!add(&agent->in, data, (size_t)n))
			abort();
		if (!load_agent_hear(agent))
			return;
	}
}

static void on_io(struct ev_loop *loop, ev_io *io, int events)
{
	struct load_agent *agent = io->data;
	(void)loop;
	if (agent->state == LOAD_CONNECTS) {
		connected(agent);
		if (agent->fd >= 0)
			watch(agent);
		return;
	}
	if (agent->state == LOAD_SHAKES) {
		agent->wants_write = false;
		shake(agent);
		if (agent->fd >= 0)
			watch(agent);
		return;
	}
	if (events & EV_WRITE)
		load_flush(agent);
	if (agent->fd >= 0 && events & EV_READ)
		receive(agent);
}
