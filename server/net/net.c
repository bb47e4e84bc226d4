#include "server/net/net.h"

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <openssl/err.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>

#include "core/base/clock.h"
#include "core/base/log.h"
#include "proto/rpc.h"
#include "server/metrics.h"
#include "server/net/source.h"

#define ACCEPT_ROUND 64
#define READ_ROUND 4 /* pieces of one connection before others have their turn */
#define READ_SIZE ((size_t)64 << 10)
#define LINGER_US UINT64_C(2000000)
#define OUTPUT_HIGH ((size_t)64 << 10)

enum stage { HANDSHAKE, OPEN, LINGER };

/* One connection with what carries it. */
struct link {
	sense_net *net;
	struct link *before, *after; /* all of this worker */
	ev_io io;
	ev_timer timer;
	SSL *ssl;
	int fd;
	enum stage stage;
	bool agent;
	bool sourced; /* counts for its source */
	struct sense_source source;
	uint64_t began_us;
	struct sense_peer peer; /* of a plain one, the address alone */
	struct sense_connection connection;
	sense_rpc_session *calls;
	sense_httpd_session *http;
};

struct sense_net {
	struct sense_net_config config;
	struct sense_connection_limits agent_limits, plain_limits;
	struct sense_connection_budget plain_budget;
	sense_sources *sources;
	ev_io *listeners;
	int spare; /* given up to take a connection, and close it, when there are no more descriptors */
	bool draining;
	unsigned count;
	struct link *first;
	void (*drained)(void *self);
	void *drained_self;
	uint8_t piece[READ_SIZE]; /* what was read last, of any connection */
};

#define REASON(id, name)                                                      \
	SENSE_COUNTER("sense_connections_ended_total", "reason=\"" name "\"", \
	              "Connections that ended, by why."),
static struct sense_metric ended[] = {SENSE_GONE_REASONS(REASON)};
static struct sense_metric metrics[] = {
    SENSE_GAUGE("sense_connections", NULL, "Connections, handshakes included."),
    SENSE_COUNTER("sense_connections_total", NULL, "Connections that were taken."),
    SENSE_COUNTER("sense_connections_refused_total", "reason=\"full\"",
                  "Connections that were closed at once, by why."),
    SENSE_COUNTER("sense_connections_refused_total", "reason=\"source\"", ""),
    SENSE_COUNTER("sense_connections_refused_total", "reason=\"descriptors\"", ""),
    {.name = "sense_handshake_seconds",
     .help = "Time from a connection to the end of its handshake.",
     .kind = SENSE_METRIC_HISTOGRAM,
     .bounds = {0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10}},
    SENSE_COUNTER("sense_received_bytes_total", NULL, "Bytes received, without TLS."),
    SENSE_COUNTER("sense_sent_bytes_total", NULL, "Bytes sent, without TLS."),
};
enum { CONNECTIONS, TAKEN, FULL, SOURCE, DESCRIPTORS, HANDSHAKES, RECEIVED, SENT };

enum sense_status sense_net_metrics(sense_error *err)
{
	enum sense_status status = sense_metrics_register(metrics, sizeof metrics / sizeof *metrics, err);
	return status ? status : sense_metrics_register(ended, sizeof ended / sizeof *ended, err);
}

/* ---- ending -------------------------------------------------------------------------------------------- */

static void source_give(struct link *link)
{
	if (link->sourced)
		sense_source_give(link->net->sources, &link->source);
	link->sourced = false;
}

static void sessions_end(struct link *link)
{
	if (link->calls)
		sense_calls_end(link->calls);
	if (link->http)
		sense_httpd_end(link->http);
	link->calls = NULL;
	link->http = NULL;
}

static void link_free(struct link *link)
{
	sense_net *net = link->net;
	ev_io_stop(net->config.loop, &link->io);
	ev_timer_stop(net->config.loop, &link->timer);
	ev_clear_pending(net->config.loop, &link->io);
	sessions_end(link);
	sense_connection_fini(&link->connection);
	source_give(link);
	SSL_free(link->ssl);
	close(link->fd);
	*(link->before ? &link->before->after : &net->first) = link->after;
	if (link->after)
		link->after->before = link->before;
	free(link);
	net->count--;
	sense_metric_sub(&metrics[CONNECTIONS], 1);
	if (net->draining && !net->count && net->drained)
		net->drained(net->drained_self);
}

static void watch(struct link *link, int events)
{
	if ((link->io.events & (EV_READ | EV_WRITE)) == events && ev_is_active(&link->io))
		return;
	ev_io_stop(link->net->config.loop, &link->io);
	ev_io_modify(&link->io, events);
	if (events)
		ev_io_start(link->net->config.loop, &link->io);
}

static void timer_set(struct link *link, uint64_t due_us, uint64_t now_us)
{
	link->timer.repeat = due_us > now_us ? (double)(due_us - now_us) / 1e6 + 0.001 : 0.001;
	ev_timer_again(link->net->config.loop, &link->timer);
}

static void link_end(struct link *link, enum sense_gone why)
{
	sense_metric_add(&ended[why], 1);
	link_free(link);
}

/*
 * The last words are on their way. To close a socket with input that nobody read is a reset (RFC
 * 1122, 4.2.2.13), which would take them back: so what still comes is read and dropped for a moment.
 */
static void linger(struct link *link, uint64_t now_us)
{
	sessions_end(link);
	link->stage = LINGER;
	if (SSL_shutdown(link->ssl) < 0)
		ERR_clear_error();
	shutdown(link->fd, SHUT_WR);
	watch(link, EV_READ);
	timer_set(link, now_us + LINGER_US, now_us);
}

static void linger_read(struct link *link)
{
	ssize_t got = read(link->fd, link->net->piece, READ_SIZE);
	if (!got || (got < 0 && errno != EAGAIN && errno != EINTR))
		link_end(link, link->connection.gone);
}

/* The connection has ended, by its protocol or its limits. */
static void ended_look(struct link *link, uint64_t now_us)
{
	enum sense_gone gone = link->connection.gone;
	if (gone == SENSE_GONE_DONE || gone == SENSE_GONE_DRAINED) {
		linger(link, now_us);
		return;
	}
	if (gone != SENSE_GONE_TRANSPORT && gone != SENSE_GONE_SLOW_READER && SSL_shutdown(link->ssl) < 0)
		ERR_clear_error();
	link_end(link, gone);
}

/* ---- bytes --------------------------------------------------------------------------------------------- */

/* What TLS waits for, in words of the loop; -1: it broke. */
static int tls_wait(SSL *ssl, int result)
{
	int code = SSL_get_error(ssl, result);
	ERR_clear_error();
	if (code == SSL_ERROR_WANT_READ)
		return EV_READ;
	return code == SSL_ERROR_WANT_WRITE ? EV_WRITE : -1;
}

/* Returns what the loop has to wait for, beside what the connection wants. */
static int bytes_in(struct link *link, uint64_t now_us)
{
	sense_net *net = link->net;
	for (unsigned round = 0; round < READ_ROUND && sense_connection_wants(&link->connection); round++) {
		ERR_clear_error();
		int got = SSL_read(link->ssl, net->piece, (int)READ_SIZE);
		if (got > 0) {
			sense_metric_add(&metrics[RECEIVED], (uint64_t)got);
			sense_connection_in(&link->connection, net->piece, (size_t)got, now_us);
			continue;
		}
		int wait = tls_wait(link->ssl, got);
		if (wait >= 0)
			return wait;
		/* Without a closing alert it was cut off: for a message that is whole that makes no
		 * difference. */
		sense_connection_in_end(&link->connection, now_us);
		return 0;
	}
	return 0;
}

static int bytes_out(struct link *link, uint64_t now_us)
{
	const uint8_t *data;
	size_t len;
	while ((data = sense_connection_out(&link->connection, &len))) {
		ERR_clear_error();
		int sent = SSL_write(link->ssl, data, len > READ_SIZE ? (int)READ_SIZE : (int)len);
		if (sent > 0) {
			sense_metric_add(&metrics[SENT], (uint64_t)sent);
			sense_connection_sent(&link->connection, (size_t)sent, now_us);
			continue;
		}
		int wait = tls_wait(link->ssl, sent);
		if (wait >= 0)
			return wait;
		sense_connection_hang_up(&link->connection, SENSE_GONE_TRANSPORT);
	}
	return 0;
}

static void open_step(struct link *link, uint64_t now_us)
{
	int wait = bytes_in(link, now_us);
	wait |= bytes_out(link, now_us);
	if (link->connection.state == SENSE_CONNECTION_ENDED) {
		ended_look(link, now_us);
		return;
	}
	watch(link, wait | (sense_connection_wants(&link->connection) ? EV_READ : 0));
	uint64_t due = sense_connection_due(&link->connection);
	if (sense_connection_wants(&link->connection) && SSL_pending(link->ssl))
		due = now_us; /* what TLS holds already, the loop does not hear of */
	if (due)
		timer_set(link, due, now_us);
	else
		ev_timer_stop(link->net->config.loop, &link->timer);
}

/* ---- the handshake ------------------------------------------------------------------------------------- */

static void on_changed(void *owner)
{
	struct link *link = owner;
	if (link->stage == OPEN)
		ev_feed_event(link->net->config.loop, &link->io, EV_CUSTOM);
}

/* What is spoken begins. False: it does not. */
static bool agent_begin(struct link *link, enum sense_gone *why)
{
	sense_net *net = link->net;
	const char *address = link->peer.address;
	sense_error err;
	*why = SENSE_GONE_CERTIFICATE;
	if (sense_server_tls_peer(net->config.tls, link->ssl, &link->peer, &err)) {
		sense_log(SENSE_LOG_WARN, "net", "%s: refused as an agent: %s", address, err.message);
		return false;
	}
	*why = SENSE_GONE_REVOKED;
	if (sense_revoked_has(net->config.revoked, link->peer.serial, link->peer.serial_len)) {
		sense_log(SENSE_LOG_WARN, "net", "%s: agent %s: its certificate was revoked", address,
		          link->peer.agent);
		return false;
	}
	*why = SENSE_GONE_MEMORY;
	link->calls = sense_calls_begin(net->config.calls, &link->connection, &link->peer);
	return link->calls != NULL;
}

static bool session_begin(struct link *link, uint64_t now_us, enum sense_gone *why)
{
	sense_net *net = link->net;
	link->agent = sense_server_tls_is_agent(link->ssl);
	const struct sense_connection_protocol *protocol =
	    link->agent ? &sense_calls_protocol : &sense_httpd_protocol;
	sense_connection_init(&link->connection, protocol, NULL,
	                      link->agent ? &net->agent_limits : &net->plain_limits, now_us);
	*why = SENSE_GONE_MEMORY;
	if (link->agent
	        ? !agent_begin(link, why)
	        : !(link->http = sense_httpd_begin(net->config.http, &link->connection, link->peer.address)))
		return false;
	link->connection.self = link->agent ? (void *)link->calls : (void *)link->http;
	link->connection.changed = on_changed;
	link->connection.owner = link;
	link->stage = OPEN;
	if (link->agent)
		source_give(link);
	return true;
}

static void handshake_step(struct link *link, uint64_t now_us)
{
	enum sense_gone why;
	ERR_clear_error();
	int result = SSL_do_handshake(link->ssl);
	if (result != 1) {
		int wait = tls_wait(link->ssl, result);
		if (wait < 0)
			link_end(link, SENSE_GONE_HANDSHAKE);
		else
			watch(link, wait);
		return;
	}
	sense_metric_observe(&metrics[HANDSHAKES], now_us - link->began_us);
	if (!session_begin(link, now_us, &why)) {
		if (SSL_shutdown(link->ssl) < 0)
			ERR_clear_error();
		link_end(link, why);
		return;
	}
	if (link->net->draining)
		link->connection.protocol->drain(link->connection.self);
	open_step(link, now_us);
}

static void on_io(struct ev_loop *loop, ev_io *io, int events)
{
	struct link *link = io->data;
	(void)loop, (void)events;
	if (link->stage == HANDSHAKE)
		handshake_step(link, sense_clock_monotonic_us());
	else if (link->stage == OPEN)
		open_step(link, sense_clock_monotonic_us());
	else
		linger_read(link);
}

static void on_timer(struct ev_loop *loop, ev_timer *timer, int events)
{
	struct link *link = timer->data;
	uint64_t now_us = sense_clock_monotonic_us();
	(void)loop, (void)events;
	if (link->stage == HANDSHAKE) {
		link_end(link, SENSE_GONE_HANDSHAKE);
		return;
	}
	if (link->stage == LINGER) {
		link_end(link, link->connection.gone);
		return;
	}
	sense_connection_time(&link->connection, now_us);
	open_step(link, now_us);
}

/* ---- taking them --------------------------------------------------------------------------------------- */

static void address_text(const struct sockaddr_storage *address, char *out, socklen_t cap)
{
	const void *bytes = address->ss_family == AF_INET6
	                      ? (const void *)&((const struct sockaddr_in6 *)address)->sin6_addr
	                      : (const void *)&((const struct sockaddr_in *)address)->sin_addr;
	if (!inet_ntop(address->ss_family, bytes, out, cap))
		out[0] = '\0';
}

static void link_new(sense_net *net, int fd, const struct sockaddr_storage *address)
{
	static const int one = 1;
	uint64_t now_us = sense_clock_monotonic_us();
	struct link *link = calloc(1, sizeof *link);
	SSL *ssl = link ? sense_server_tls_accept(net->config.tls, fd) : NULL;
	if (!ssl) {
		sense_metric_add(&ended[SENSE_GONE_MEMORY], 1);
		free(link);
		close(fd);
		return;
	}
	*link = (struct link){.net = net, .ssl = ssl, .fd = fd, .began_us = now_us, .after = net->first};
	sense_source_of((const struct sockaddr *)address, &link->source);
	if (!sense_source_take(net->sources, &link->source)) {
		sense_metric_add(&metrics[SOURCE], 1);
		SSL_free(ssl);
		free(link);
		close(fd);
		return;
	}
	link->sourced = true;
	setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof one);
	address_text(address, link->peer.address, sizeof link->peer.address);
	if (net->first)
		net->first->before = link;
	net->first = link;
	net->count++;
	sense_metric_add(&metrics[TAKEN], 1);
	sense_metric_add(&metrics[CONNECTIONS], 1);
	ev_io_init(&link->io, on_io, fd, EV_READ);
	ev_init(&link->timer, on_timer);
	link->io.data = link->timer.data = link;
	ev_io_start(net->config.loop, &link->io);
	timer_set(link, now_us + net->config.handshake_us, now_us);
}

/* There is no descriptor for what waits: with the spare one it is taken and closed, or the loop would turn
 * for ever. */
static void descriptors_gone(sense_net *net, int listener)
{
	sense_metric_add(&metrics[DESCRIPTORS], 1);
	if (net->spare < 0)
		return;
	close(net->spare);
	int fd = accept4(listener, NULL, NULL, SOCK_CLOEXEC);
	if (fd >= 0)
		close(fd);
	net->spare = open("/dev/null", O_RDONLY | O_CLOEXEC);
}

static void on_connections(struct ev_loop *loop, ev_io *io, int events)
{
	sense_net *net = io->data;
	(void)loop, (void)events;
	for (unsigned round = 0; round < ACCEPT_ROUND; round++) {
		struct sockaddr_storage address = {.ss_family = AF_UNSPEC};
		socklen_t len = sizeof address;
		int fd = accept4(io->fd, (struct sockaddr *)&address, &len, SOCK_NONBLOCK | SOCK_CLOEXEC);
		if (fd < 0 && (errno == EMFILE || errno == ENFILE))
			descriptors_gone(net, io->fd);
		if (fd < 0 && (errno == EAGAIN || errno == EMFILE || errno == ENFILE || errno == EINVAL))
			return;
		if (fd < 0)
			continue; /* that one went again before it was taken (accept(2)) */
		if (net->count < net->config.connections_max) {
			link_new(net, fd, &address);
			continue;
		}
		sense_metric_add(&metrics[FULL], 1);
		close(fd);
	}
}

/* ---- the whole ----------------------------------------------------------------------------------------- */

static void limits_set(sense_net *net)
{
	/* Without a certificate anybody can begin to send: what that takes does not take it from agents. */
	net->config.agents->max = net->config.input_max;
	net->plain_budget.max = net->config.input_max / 4;
	net->agent_limits = (struct sense_connection_limits){
	    .budget = net->config.agents,
	    .input_max = SENSE_RPC_MESSAGE_MAX + READ_SIZE,
	    .output_max = 2 * SENSE_RPC_MESSAGE_MAX,
	    .output_high = OUTPUT_HIGH,
	    .idle_us = 3 * net->config.heartbeat_us,
	    .message_us = 3 * net->config.request_us,
	    .send_us = net->config.send_us,
	};
	net->plain_limits = (struct sense_connection_limits){
	    .budget = &net->plain_budget,
	    .input_max = SENSE_HTTPD_RAW_MAX + READ_SIZE,
	    .output_max = SENSE_HTTPD_ANSWER_MAX + OUTPUT_HIGH,
	    .output_high = OUTPUT_HIGH,
	    .idle_us = net->config.idle_us,
	    .message_us = net->config.request_us,
	    .send_us = net->config.send_us,
	};
}

sense_net *sense_net_new(const struct sense_net_config *config, sense_error *err)
{
	sense_net *net = calloc(1, sizeof *net);
	if (!net)
		goto no_memory;
	net->config = *config;
	net->spare = open("/dev/null", O_RDONLY | O_CLOEXEC);
	net->sources = sense_sources_new(config->connections_max, config->per_source_max);
	net->listeners = calloc(config->fd_count, sizeof *net->listeners);
	if (!net->sources || !net->listeners)
		goto no_memory;
	limits_set(net);
	for (unsigned i = 0; i < config->fd_count; i++) {
		ev_io_init(&net->listeners[i], on_connections, config->fds[i], EV_READ);
		net->listeners[i].data = net;
	}
	return net;
no_memory:
	sense_net_free(net);
	sense_fail(err, SENSE_E_MEMORY, "net", "no memory for %u connections", config->connections_max);
	return NULL;
}

static void listeners_stop(sense_net *net)
{
	for (unsigned i = 0; net->listeners && i < net->config.fd_count; i++)
		ev_io_stop(net->config.loop, &net->listeners[i]);
}

void sense_net_free(sense_net *net)
{
	if (!net)
		return;
	listeners_stop(net);
	net->drained = NULL;
	for (struct link *link = net->first, *after; link; link = after) {
		after = link->after;
		link_end(link, SENSE_GONE_DRAINED);
	}
	if (net->spare >= 0)
		close(net->spare);
	sense_sources_free(net->sources);
	free(net->listeners);
	free(net);
}

void sense_net_accept(sense_net *net)
{
	for (unsigned i = 0; i < net->config.fd_count; i++)
		ev_io_start(net->config.loop, &net->listeners[i]);
}

void sense_net_drain(sense_net *net, void (*done)(void *self), void *self)
{
	struct link *after;
	listeners_stop(net);
	net->draining = true;
	net->drained = done;
	net->drained_self = self;
	for (struct link *link = net->first; link; link = after) {
		after = link->after;
		if (link->stage == OPEN)
			link->connection.protocol->drain(link->connection.self);
	}
	if (!net->count)
		done(self);
}

unsigned sense_net_connections(const sense_net *net)
{
	return net->count;
}
