/* From a list of servers to a stream: names, addresses, a proxy, and when to try again. */
#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <stdio.h>
#include <sys/socket.h>
#include <unistd.h>

#include "uplink.h"

#define NAMES_MS 30000u
#define CONNECT_MS 10000u /* of one address */
#define PROXY_MS 20000u
#define PROXY_HEAD_MAX 4096u
#define STEADY_MS 60000u /* a session that lived so long pays for no earlier failure */

/* ---- words ------------------------------------------------------------------------------------------ */

bool server_parse(const char *text, struct server *out)
{
	const char *colon = strrchr(text, ':');
	bool six = text[0] == '[';
	const char *host = text + six;
	if (!colon || colon <= host + six || strlen(text) >= sizeof out->text || (six && colon[-1] != ']'))
		return false;
	size_t len = (size_t)(colon - host) - six;
	char *end;
	unsigned long port = strtoul(colon + 1, &end, 10);
	if (colon[1] < '0' || colon[1] > '9' || *end || !port || port > 65535 || !len ||
	    len >= sizeof out->host)
		return false;
	for (const char *c = text; *c; c++)
		if (*c <= ' ' || *c == 0x7f)
			return false;
	memcpy(out->host, host, len);
	out->host[len] = '\0';
	out->port = (uint16_t)port;
	memcpy(out->text, text, strlen(text) + 1);
	return true;
}

/* [http://][USER:PASSWORD@]HOST:PORT[/] */
bool proxy_parse(struct uplink *u, const char *text)
{
	char address[HOST_MAX + 8];
	if (!strncmp(text, "http://", 7))
		text += 7;
	const char *at = strrchr(text, '@'), *host = at ? at + 1 : text;
	size_t login = at ? (size_t)(at - text) : 0, len = strcspn(host, "/");
	if (login > (sizeof u->proxy_login - 8) / 4 * 3 || len >= sizeof address)
		return false;
	EVP_EncodeBlock((unsigned char *)u->proxy_login, (const unsigned char *)text, (int)login);
	memcpy(address, host, len);
	address[len] = '\0';
	return server_parse(address, &u->proxy);
}

/* ---- the end of an attempt -------------------------------------------------------------------------- */

void stream_close(struct uplink *u)
{
	SSL_free(u->ssl);
	if (u->socket >= 0)
		close(u->socket);
	u->ssl = NULL;
	u->socket = -1;
	u->events = 0;
	bytes_clear(&u->head);
	bytes_clear(&u->in);
	bytes_clear(&u->out);
	u->out_at = 0;
	memset(u->calls, 0, sizeof u->calls);
	u->fetch.wanted = false;
	batch_close(u);
}

/* All servers were tried: longer and longer, up to a limit. Within a round the next one is asked soon. */
static void rest(struct uplink *u, bool slow)
{
	unsigned doublings = 0;
	u->at = (u->at + 1) % u->server_count;
	if (++u->tried >= u->server_count) {
		u->tried = 0;
		doublings = u->retries++;
	}
	u->deadline = u->now + backoff(slow ? u->retry_max : u->retry_min, doublings, u->retry_max);
	u->phase = PHASE_REST;
}

void lost(struct uplink *u, bool slow, const char *fmt, ...)
{
	char why[512], text[HOST_MAX + 600];
	bool was = u->phase == PHASE_SESSION;
	va_list args;
	va_start(args, fmt);
	vsnprintf(why, sizeof why, fmt, args);
	va_end(args);
	if (was && u->now - u->since >= STEADY_MS)
		u->retries = u->tried = 0;
	snprintf(text, sizeof text, "%s: %s", u->servers[u->at].text, why);
	stream_close(u);
	rest(u, slow);
	if (!u->enrolling) {
		tell_text(u, SENSE_UPLINK_DOWN, was, text);
		return;
	}
	u->deadline = u->now;
	if (u->tried) /* there are others */
		return;
	tell_text(u, SENSE_UPLINK_FAILED, 0, text);
	u->over = true;
	u->code = EXIT_FAILURE;
}

/* ---- addresses -------------------------------------------------------------------------------------- */

/* Whom the stream leads to at first. */
static const struct server *target(const struct uplink *u)
{
	return u->proxy.port ? &u->proxy : &u->servers[u->at];
}

/* Takes errno, or what the socket says of itself. */
static void address_failed(struct uplink *u, int error)
{
	/* A service that is kept to this host is told so by the system, not by the network. */
	const char *kept =
	    error == EPERM ? "; the service may not reach it: see IPAddressDeny= in docs/fleet-agent.md" : "";
	snprintf(u->problem, sizeof u->problem, "%s%s%s%s%s", u->proxy.port ? "proxy " : "",
	         u->proxy.port ? u->proxy.text : "", u->proxy.port ? ": " : "", strerror(error), kept);
	if (u->socket >= 0)
		close(u->socket);
	u->socket = -1;
}

static socklen_t address_of(const struct sense_uplink_address *from, uint16_t port,
                            struct sockaddr_storage *out)
{
	memset(out, 0, sizeof *out);
	if (from->family == 4) {
		struct sockaddr_in *four = (struct sockaddr_in *)(void *)out;
		four->sin_family = AF_INET;
		four->sin_port = htons(port);
		memcpy(&four->sin_addr, from->bytes, 4);
		return sizeof *four;
	}
	struct sockaddr_in6 *six = (struct sockaddr_in6 *)(void *)out;
	six->sin6_family = AF_INET6;
	six->sin6_port = htons(port);
	memcpy(&six->sin6_addr, from->bytes, 16);
	return sizeof *six;
}

/* The next one that a connection can be begun to. */
static void address_next(struct uplink *u)
{
	while (u->address_at < u->address_count) {
		struct sockaddr_storage to;
		const struct sense_uplink_address *address = &u->addresses[u->address_at++];
		socklen_t len = address_of(address, target(u)->port, &to);
		u->socket = socket(to.ss_family, SOCK_STREAM, 0);
		const int on = 1;
		if (u->socket >= 0 && !fcntl(u->socket, F_SETFL, O_NONBLOCK)) {
			(void)setsockopt(u->socket, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
			if (!connect(u->socket, (struct sockaddr *)&to, len) || errno == EINPROGRESS) {
				u->phase = PHASE_CONNECT;
				u->deadline = u->now + CONNECT_MS;
				u->events = POLLOUT;
				return;
			}
		}
		address_failed(u, errno);
	}
	lost(u, false, "%s", u->problem);
}

static bool address_literal(const char *host, struct sense_uplink_address *out)
{
	if (inet_pton(AF_INET, host, out->bytes) == 1)
		out->family = 4;
	else if (inet_pton(AF_INET6, host, out->bytes) == 1)
		out->family = 6;
	else
		return false;
	return true;
}

void connect_begin(struct uplink *u)
{
	const struct server *to = target(u);
	struct {
		struct sense_uplink_head head;
		char name[HOST_MAX];
	} question = {.head.number = ++u->question};
	u->address_at = 0;
	snprintf(u->problem, sizeof u->problem, "it has no address");
	if (address_literal(to->host, &u->addresses[0])) {
		u->address_count = 1;
		address_next(u);
		return;
	}
	u->phase = PHASE_NAMES;
	u->deadline = u->now + NAMES_MS;
	size_t len = strlen(to->host);
	memcpy(question.name, to->host, len);
	if (u->names < 0 ||
	    send(u->names, &question, sizeof question.head + len, MSG_DONTWAIT | MSG_NOSIGNAL) < 0)
		lost(u, false, "its name cannot be looked up");
}

void names_answer(struct uplink *u)
{
	struct {
		struct sense_uplink_head head;
		union {
			struct sense_uplink_address addresses[SENSE_UPLINK_ADDRESSES];
			char text[sizeof(struct sense_uplink_address) * SENSE_UPLINK_ADDRESSES];
		};
	} answer;
	ssize_t got = recv(u->names, &answer, sizeof answer, MSG_DONTWAIT);
	if (got < 0 && (errno == EAGAIN || errno == EINTR))
		return;
	if (got < (ssize_t)sizeof answer.head) { /* it has ended: the next process gets another */
		u->over = true;
		u->code = EXIT_FAILURE;
		return;
	}
	if (u->phase != PHASE_NAMES || answer.head.number != u->question)
		return;
	size_t rest_len = (size_t)got - sizeof answer.head;
	if (!answer.head.kind) {
		lost(u, false, "%s: %.*s", target(u)->host, (int)rest_len, answer.text);
		return;
	}
	u->address_count = (unsigned)(rest_len / sizeof *answer.addresses);
	memcpy(u->addresses, answer.addresses, u->address_count * sizeof *answer.addresses);
	address_next(u);
}

/* ---- the proxy -------------------------------------------------------------------------------------- */

static void proxy_begin(struct uplink *u)
{
	char request[2 * HOST_MAX + 256];
	const char *to = u->servers[u->at].text;
	int len = snprintf(request, sizeof request, "CONNECT %s HTTP/1.1\r\nHost: %s\r\n%s%s%s\r\n", to, to,
	                   *u->proxy_login ? "Proxy-Authorization: Basic " : "", u->proxy_login,
	                   *u->proxy_login ? "\r\n" : "");
	u->phase = PHASE_PROXY;
	u->deadline = u->now + PROXY_MS;
	u->events = 0;
	bytes_clear(&u->head);
	/* A socket that was just connected has room for it. */
	if (len >= (int)sizeof request || send(u->socket, request, (size_t)len, MSG_NOSIGNAL) != len)
		lost(u, false, "proxy %s: the request cannot be sent", u->proxy.text);
}

/* All that comes belongs to the head: the server behind it waits for our first word. */
static void proxy_event(struct uplink *u)
{
	char head[PROXY_HEAD_MAX + 1];
	ssize_t got = recv(u->socket, head, PROXY_HEAD_MAX, 0);
	if (got < 0 && (errno == EAGAIN || errno == EINTR))
		return;
	if (got <= 0) {
		lost(u, false, "proxy %s: it closed the connection", u->proxy.text);
		return;
	}
	if (!bytes_add(&u->head, head, (size_t)got, PROXY_HEAD_MAX)) {
		lost(u, false, "proxy %s: its answer is too long", u->proxy.text);
		return;
	}
	memcpy(head, u->head.data, u->head.len);
	head[u->head.len] = '\0';
	char *end = strstr(head, "\r\n\r\n");
	if (!end)
		return;
	size_t line = strcspn(head, "\r\n");
	if (strncmp(head, "HTTP/1.", 7) || line < 12 || head[9] != '2') {
		for (size_t i = 0; i < line; i++)
			head[i] = head[i] < ' ' || head[i] > '~' ? '?' : head[i];
		lost(u, false, "proxy %s refused: %.*s", u->proxy.text, line < 100 ? (int)line : 100, head);
	} else if (end + 4 != head + u->head.len) {
		lost(u, false, "proxy %s: it says more than its answer", u->proxy.text);
	} else if (!tls_begin(u)) {
		lost(u, false, "no memory for TLS");
	} else {
		tls_handshake(u);
	}
}

void connect_event(struct uplink *u, short revents)
{
	int error = 0;
	socklen_t len = sizeof error;
	if (u->phase == PHASE_PROXY) {
		proxy_event(u);
		return;
	}
	if (!(revents & (POLLOUT | POLLERR | POLLHUP)))
		return;
	if (getsockopt(u->socket, SOL_SOCKET, SO_ERROR, &error, &len))
		error = errno;
	if (error) {
		address_failed(u, error);
		address_next(u);
	} else if (u->proxy.port) {
		proxy_begin(u);
	} else if (!tls_begin(u)) {
		lost(u, false, "no memory for TLS");
	} else {
		tls_handshake(u);
	}
}

void connect_time(struct uplink *u)
{
	if (u->phase == PHASE_CONNECT) {
		address_failed(u, ETIMEDOUT);
		address_next(u);
	} else if (u->phase == PHASE_NAMES) {
		lost(u, false, "%s: its name is not answered for", target(u)->host);
	} else if (u->phase == PHASE_PROXY) {
		lost(u, false, "proxy %s: it does not answer", u->proxy.text);
	} else {
		lost(u, false, "the server does not answer");
	}
}
