/*
 * The uplink: this host's connection to a server of its fleet. README.md says what it does; here are the plugin, the
 * loop of its process, and what the supervisor says.
 */
#include "uplink.h"

#include <errno.h>
#include <poll.h>
#include <sys/socket.h>
#include <sys/uio.h>
#include <time.h>
#include <unistd.h>

#define ALIVE_MS 10000u
#define MESSAGES_A_TURN 64u
#define CALL_MS 60000u

uint64_t now_ms(void)
{
	struct timespec now;
	clock_gettime(CLOCK_MONOTONIC, &now);
	return (uint64_t)now.tv_sec * 1000 + (uint64_t)now.tv_nsec / 1000000;
}

uint64_t jitter(uint64_t ms)
{
	uint32_t any = 0;
	(void)!getentropy(&any, sizeof any);
	return ms / 2 + any % (ms / 2 + 1);
}

uint64_t backoff(uint64_t first_ms, unsigned doublings, uint64_t most_ms)
{
	while (doublings-- && first_ms < most_ms)
		first_ms *= 2;
	return jitter(first_ms < most_ms ? first_ms : most_ms);
}

/* ---- the supervisor --------------------------------------------------------------------------------- */

void tell(struct uplink *u, enum sense_uplink_kind kind, uint32_t number, uint64_t sequence, const void *data,
          size_t len)
{
	static uint8_t message[SENSE_UPLINK_MESSAGE_MAX];
	const struct sense_uplink_head head = {kind, number, sequence};
	if (len > sizeof message - sizeof head)
		len = sizeof message - sizeof head;
	memcpy(message, &head, sizeof head);
	if (len)
		memcpy(message + sizeof head, data, len);
	while (!u->over && send(u->fd, message, sizeof head + len, MSG_NOSIGNAL) < 0) {
		if (errno == EINTR)
			continue;
		u->over = true; /* it has gone */
	}
}

void tell_text(struct uplink *u, enum sense_uplink_kind kind, uint32_t number, const char *text)
{
	tell(u, kind, number, 0, text, strlen(text));
}

static void word_take(struct uplink *u, const uint8_t *message, size_t len)
{
	struct sense_uplink_head head;
	uint64_t offset;
	memcpy(&head, message, sizeof head);
	message += sizeof head;
	len -= sizeof head;
	switch (head.kind) {
	case SENSE_UPLINK_FINDINGS:
		batch_take(u, head.number, message, len);
		break;
	case SENSE_UPLINK_PARAMETERS:
		session_parameters(u, head.number, message, len);
		break;
	case SENSE_UPLINK_FETCH:
		if (len != sizeof offset)
			break;
		memcpy(&offset, message, sizeof offset);
		policy_fetch(u, head.sequence, offset);
		break;
	}
}

static void supervisor_take(struct uplink *u)
{
	static uint8_t message[SENSE_UPLINK_MESSAGE_MAX];
	for (unsigned i = 0; i < MESSAGES_A_TURN; i++) {
		ssize_t got = recv(u->fd, message, sizeof message, MSG_DONTWAIT);
		if (got < 0 && (errno == EAGAIN || errno == EINTR))
			return;
		if (got < (ssize_t)sizeof(struct sense_uplink_head)) {
			u->over = true;
			return;
		}
		word_take(u, message, (size_t)got);
	}
}

/* ---- the loop --------------------------------------------------------------------------------------- */

static void stream_event(struct uplink *u, short revents)
{
	switch (u->phase) {
	case PHASE_CONNECT:
	case PHASE_PROXY:
		connect_event(u, revents);
		break;
	case PHASE_TLS:
		tls_handshake(u);
		break;
	case PHASE_REGISTER:
	case PHASE_SESSION:
		session_event(u);
		break;
	case PHASE_HTTP:
		enrol_event(u);
		break;
	default:
		break;
	}
}

static bool at_work(const struct uplink *u)
{
	return u->phase == PHASE_REGISTER || u->phase == PHASE_SESSION;
}

static void time_passes(struct uplink *u)
{
	if (!u->enrolling && u->now >= u->alive_at) {
		u->alive_at = u->now + ALIVE_MS;
		tell(u, SENSE_UPLINK_ALIVE, 0, 0, NULL, 0);
	}
	if (u->phase != PHASE_SESSION && u->now >= u->deadline) {
		if (u->phase == PHASE_REST)
			connect_begin(u);
		else
			connect_time(u);
	}
	if (at_work(u))
		session_time(u);
}

static int wait_ms(const struct uplink *u)
{
	uint64_t at = u->enrolling ? UINT64_MAX : u->alive_at,
		 session = at_work(u) ? session_wakes(u) : UINT64_MAX;
	if (u->phase != PHASE_SESSION && u->deadline < at)
		at = u->deadline;
	at = session < at ? session : at;
	if (u->ssl && SSL_pending(u->ssl))
		return 0;
	return at <= u->now ? 0 : at - u->now > 60000 ? 60000 : (int)(at - u->now);
}

static void turn(struct uplink *u)
{
	int socket = u->socket;
	struct pollfd fds[] = {
	    {.fd = u->fd, .events = POLLIN},
	    {.fd = u->names, .events = POLLIN},
	    {.fd = socket, .events = (short)(u->events | (u->phase == PHASE_CONNECT ? 0 : POLLIN))},
	};
	if (poll(fds, sizeof fds / sizeof *fds, wait_ms(u)) < 0 && errno != EINTR) {
		u->over = true;
		u->code = EXIT_FAILURE;
		return;
	}
	u->now = now_ms();
	if (fds[0].revents)
		supervisor_take(u);
	if (fds[1].revents && !u->over)
		names_answer(u);
	bool more = u->ssl && SSL_pending(u->ssl);
	if (u->socket >= 0 && u->socket == socket && (fds[2].revents || more))
		stream_event(u, fds[2].revents);
	time_passes(u);
	if ((at_work(u) || u->phase == PHASE_HTTP) && u->out.len > u->out_at)
		tls_write(u);
}

static int run(void *uplink, int fd)
{
	struct uplink *u = uplink;
	u->fd = fd;
	u->now = now_ms();
	u->deadline = u->now;
	u->at = u->server_count > 1 ? (unsigned)jitter(1000) % u->server_count : 0;
	while (!u->over)
		turn(u);
	stream_close(u);
	return u->code;
}

/* ---- begin and end ---------------------------------------------------------------------------------- */

static void end(void *uplink)
{
	struct uplink *u = uplink;
	stream_close(u);
	SSL_CTX_free(u->tls);
	bytes_free(&u->head);
	bytes_free(&u->in);
	bytes_free(&u->out);
	bytes_free(&u->batches.queue);
	free(u->storage);
	free(u->enrol_body);
	free(u);
}

static enum sense_status want_take(struct uplink *u, const struct sense_uplink_want *want, sense_error *err)
{
	for (unsigned i = 0; i < want->server_count && u->server_count < SERVERS_MAX; i++)
		if (!server_parse(want->servers[i], &u->servers[u->server_count++]))
			return u->host->fail(err, SENSE_E_CONFIG, NAME, "server '%s': HOST:PORT is wanted",
			                     want->servers[i]);
	if (!u->server_count)
		return u->host->fail(err, SENSE_E_CONFIG, NAME, "no server is known: set uplink.servers");
	if (want->proxy && *want->proxy && !proxy_parse(u, want->proxy))
		return u->host->fail(err, SENSE_E_CONFIG, NAME,
		                     "uplink.proxy: HOST:PORT of an HTTP proxy is wanted");
	u->bandwidth = want->bandwidth;
	u->retry_min = want->retry_min_ms ? want->retry_min_ms : 1000;
	u->retry_max = want->retry_max_ms > u->retry_min ? want->retry_max_ms : u->retry_min;
	u->call_ms = want->call_ms ? want->call_ms : CALL_MS;
	u->names = want->names;
	if (want->enrol)
		return enrol_prepare(u, want->enrol, err);
	return SENSE_OK;
}

static enum sense_status begin(const struct sense_host *host, const struct sense_uplink_want *want,
                               void **uplink, sense_error *err)
{
	struct uplink *u = calloc(1, sizeof *u);
	char *storage = malloc(IN_MAX + SENSE_MESSAGE_STORAGE_EXTRA);
	if (!u || !storage) {
		free(u);
		free(storage);
		return host->fail(err, SENSE_E_MEMORY, NAME, "no memory");
	}
	u->host = host;
	u->storage = storage;
	u->socket = u->names = -1;
	u->next_id = 1;
	enum sense_status status = want_take(u, want, err);
	if (!status)
		status = tls_new(u, want, err);
	if (status)
		end(u);
	else
		*uplink = u;
	return status;
}

static const struct sense_uplink_ops ops = {.size = sizeof ops, .begin = begin, .run = run, .end = end};

SENSE_PLUGIN_EXPORT = {
    .size = sizeof sense_plugin,
    .name = NAME,
    .version = "1.0",
    .summary = "findings to a server, policies from it, over mutual TLS",
    .uplink = &ops,
};
