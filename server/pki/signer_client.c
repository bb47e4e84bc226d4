#include "server/pki/signer_client.h"

#include <errno.h>
#include <openssl/rand.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>

#include "server/pki/signer_wire.h"

#define TIMEOUT_S 5.0
#define RECEIVE_MAX 64u /* messages in one turn of the loop */

/* One request. In its list from when it was asked until it is answered; the oldest is the first. */
struct waiting {
	struct waiting *next;
	uint64_t id;
	ev_tstamp ends, again; /* again: 0 when it was sent twice */
	sense_signer_done *done;
	void *self;
	bool sent;
	size_t len;
	uint8_t message[SENSE_SIGNER_REQUEST_MAX];
};

struct sense_signer_client {
	struct ev_loop *loop;
	int fd;
	double timeout;
	uint64_t next_id; /* begins anywhere: answers to a predecessor on this socket fit nothing of ours */
	unsigned count;
	struct waiting *first, **last;
	ev_io readable, writable;
	ev_timer timer;
};

static struct waiting *take(sense_signer_client *client, struct waiting **at)
{
	struct waiting *waiting = *at;
	*at = waiting->next;
	if (client->last == &waiting->next)
		client->last = at;
	client->count--;
	return waiting;
}

static void finish(struct waiting *waiting, const struct sense_signed *result)
{
	waiting->done(waiting->self, result);
	free(waiting);
}

static void fail(struct waiting *waiting, const char *why)
{
	finish(waiting, &(struct sense_signed){.status = SENSE_E_IO, .message = why});
}

/* ---- sending ------------------------------------------------------------------------------------------ */

static void send_all(sense_signer_client *client)
{
	bool full = false;
	for (struct waiting *w = client->first; w && !full; w = w->next) {
		if (w->sent)
			continue;
		ssize_t sent = send(client->fd, w->message, w->len, MSG_NOSIGNAL | MSG_DONTWAIT);
		/* Anything else than a full socket ends in a time-out, which says what there is to say. */
		full = sent < 0 &&
		       (errno == EAGAIN || errno == EWOULDBLOCK || errno == EINTR || errno == ENOBUFS);
		w->sent = !full;
	}
	if (full)
		ev_io_start(client->loop, &client->writable);
	else
		ev_io_stop(client->loop, &client->writable);
}

static void on_writable(struct ev_loop *loop, ev_io *io, int events)
{
	(void)loop;
	(void)events;
	send_all(io->data);
}

/* ---- answers ------------------------------------------------------------------------------------------ */

static void answer_take(sense_signer_client *client, const struct sense_signer_answer *answer)
{
	char text[256];
	struct waiting **at = &client->first;
	while (*at && ((*at)->id != answer->id || answer->kind != SENSE_SIGNER_AGENT))
		at = &(*at)->next;
	if (!*at)
		return; /* of a predecessor, or the second to one request */
	struct waiting *waiting = take(client, at);
	struct sense_signed result = {.data = answer->body, .len = answer->len};
	if (answer->outcome != SENSE_SIGNER_DONE) {
		snprintf(text, sizeof text, "%.*s", (int)answer->len, (const char *)answer->body);
		result = (struct sense_signed){.status = SENSE_E_INTERNAL, .message = text};
	}
	finish(waiting, &result);
}

static void on_readable(struct ev_loop *loop, ev_io *io, int events)
{
	uint8_t data[SENSE_SIGNER_ANSWER_MAX + 1];
	struct sense_signer_answer answer;
	(void)loop;
	(void)events;
	for (unsigned i = 0; i < RECEIVE_MAX; i++) {
		ssize_t got = recv(io->fd, data, sizeof data, MSG_DONTWAIT);
		if (got <= 0) {
			/* The other end is gone for good; requests end by their time. */
			if (!got || (errno != EAGAIN && errno != EINTR))
				ev_io_stop(loop, io);
			return;
		}
		if (sense_signer_answer_parse(data, (size_t)got, &answer))
			answer_take(io->data, &answer);
	}
}

/* ---- time --------------------------------------------------------------------------------------------- */

static void on_timer(struct ev_loop *loop, ev_timer *timer, int events)
{
	sense_signer_client *client = timer->data;
	ev_tstamp now = ev_now(loop);
	(void)events;
	while (client->first && client->first->ends <= now)
		fail(take(client, &client->first), "the signer did not answer in time");
	for (struct waiting *w = client->first; w; w = w->next)
		if (w->again && w->again <= now) {
			w->again = 0;
			w->sent = false;
		}
	send_all(client);
	if (!client->first)
		ev_timer_stop(loop, timer);
}

/* ---- asking ------------------------------------------------------------------------------------------- */

enum sense_status sense_signer_agent(sense_signer_client *client, const char *org, const char *agent,
                                     const uint8_t point[SENSE_KEY_POINT], sense_signer_done *done,
                                     void *self, sense_error *err)
{
	uint8_t org_bytes[SENSE_UUID], agent_bytes[SENSE_UUID];
	if (!sense_uuid_bytes(org, org_bytes) || !sense_uuid_bytes(agent, agent_bytes))
		return sense_fail(err, SENSE_E_FORMAT, "pki", "organization and agent must be UUIDs");
	if (client->count >= SENSE_SIGNER_WAITING_MAX)
		return sense_fail(err, SENSE_E_LIMIT, "pki", "too many requests wait for the signer");
	struct waiting *waiting = malloc(sizeof *waiting);
	if (!waiting)
		return sense_fail(err, SENSE_E_MEMORY, "pki", "no memory for a request to the signer");
	ev_tstamp now = ev_now(client->loop);
	const struct sense_signer_request request = {.kind = SENSE_SIGNER_AGENT,
	                                             .id = client->next_id++,
	                                             .org = org_bytes,
	                                             .agent = agent_bytes,
	                                             .point = point};
	*waiting = (struct waiting){.id = request.id,
	                            .ends = now + client->timeout,
	                            .again = now + client->timeout / 2,
	                            .done = done,
	                            .self = self};
	waiting->len = sense_signer_request_write(&request, waiting->message);
	*client->last = waiting;
	client->last = &waiting->next;
	client->count++;
	if (!ev_is_active(&client->timer))
		ev_timer_again(client->loop, &client->timer);
	/* Behind others that wait for room. */
	if (!ev_is_active(&client->writable))
		send_all(client);
	return SENSE_OK;
}

/* ---- its life ----------------------------------------------------------------------------------------- */

sense_signer_client *sense_signer_client_new(struct ev_loop *loop, int fd, double timeout, sense_error *err)
{
	sense_signer_client *client = calloc(1, sizeof *client);
	if (!client || RAND_bytes((unsigned char *)&client->next_id, sizeof client->next_id) != 1) {
		sense_fail(err, SENSE_E_MEMORY, "pki", "no memory or no randomness for the signer's client");
		free(client);
		return NULL;
	}
	client->loop = loop;
	client->fd = fd;
	client->timeout = timeout > 0 ? timeout : TIMEOUT_S;
	client->last = &client->first;
	ev_io_init(&client->readable, on_readable, fd, EV_READ);
	ev_io_init(&client->writable, on_writable, fd, EV_WRITE);
	ev_init(&client->timer, on_timer);
	client->timer.repeat = client->timeout / 8;
	client->readable.data = client->writable.data = client->timer.data = client;
	ev_io_start(loop, &client->readable);
	return client;
}

void sense_signer_client_free(sense_signer_client *client)
{
	if (!client)
		return;
	ev_io_stop(client->loop, &client->readable);
	ev_io_stop(client->loop, &client->writable);
	ev_timer_stop(client->loop, &client->timer);
	while (client->first)
		fail(take(client, &client->first), "the process is ending");
	free(client);
}

unsigned sense_signer_client_waiting(const sense_signer_client *client)
{
	return client->count;
}
