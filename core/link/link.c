#include "core/link/link.h"

#include <errno.h>
#include <openssl/crypto.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/wait.h>

#include "core/base/clock.h"
#include "core/base/log.h"
#include "core/link/internal.h"
#include "core/link/process.h"

#define REST_MS 250u /* before a process that died is followed by another; doubles each time */
#define REST_MAX_MS 60000u
#define STEADY_MS 60000u  /* a process that lived so long pays for no earlier one */
#define SILENT_MS 120000u /* without a word */
#define MESSAGES_A_LOOK 256u
#define RETRY_MIN_MS 1000u
#define RETRY_MAX_MS 300000u
#define ITEM_HEAD 12u
#define CREDIT_MAX ((size_t)4 << 20)

/* ---- the process ------------------------------------------------------------------------------------ */

static void start(sense_link *link)
{
	const struct sense_link_config *config = &link->config;
	sense_error err;
	const struct sense_link_start how = {
	    .plugins_dir = config->plugins_dir,
	    .agent_dir = config->agent_dir,
	    .want = {.servers = config->servers,
	             .server_count = config->server_count,
	             .proxy = config->proxy ? config->proxy : "",
	             .bandwidth = config->bandwidth,
	             .retry_min_ms = config->retry_min_ms ? config->retry_min_ms : RETRY_MIN_MS,
	             .retry_max_ms = config->retry_max_ms ? config->retry_max_ms : RETRY_MAX_MS,
	             .call_ms = config->call_ms},
	    .self = config->self,
	    .leave = config->leave,
	};
	link->lived_ms = link->still_ms = 0;
	link->wanting = false;
	if (!sense_link_process_start(&how, &link->status.pid, &link->fd, &err))
		return;
	sense_log(SENSE_LOG_ERROR, err.subsystem, "%s", err.message);
	link->status.pid = 0;
	link->rest_left_ms = REST_MAX_MS;
}

static void disconnected(sense_link *link)
{
	if (link->status.connected)
		link->status.since_us = sense_clock_us();
	link->status.connected = false;
	link->wanting = false;
	sense_link_policies_down(link);
}

void sense_link_anew(sense_link *link)
{
	if (link->status.pid)
		sense_link_process_end(link->status.pid, link->fd);
	link->status.pid = 0;
	link->fd = -1;
	link->rest_left_ms = 0;
	disconnected(link);
}

static void ended(sense_link *link, const char *how)
{
	int status = sense_link_process_end(link->status.pid, link->fd);
	link->status.pid = 0;
	link->fd = -1;
	link->status.restarts++;
	disconnected(link);
	if (link->lived_ms >= STEADY_MS || !link->rest_ms)
		link->rest_ms = REST_MS;
	else if (link->rest_ms < REST_MAX_MS)
		link->rest_ms *= 2;
	link->rest_left_ms = link->rest_ms;
	sense_log(SENSE_LOG_ERROR, "link", "the uplink's process %s (%s %d); another follows in %u ms", how,
	          WIFSIGNALED(status) ? "signal" : "exit code",
	          WIFSIGNALED(status) ? WTERMSIG(status) : WEXITSTATUS(status), link->rest_ms);
}

bool sense_link_send(sense_link *link, enum sense_uplink_kind kind, uint32_t number, uint64_t sequence,
                     const void *data, size_t len)
{
	static uint8_t message[SENSE_UPLINK_MESSAGE_MAX];
	const struct sense_uplink_head head = {kind, number, sequence};
	if (!link->status.pid || len > sizeof message - sizeof head)
		return false;
	memcpy(message, &head, sizeof head);
	if (len)
		memcpy(message + sizeof head, data, len);
	return send(link->fd, message, sizeof head + len, MSG_NOSIGNAL) == (ssize_t)(sizeof head + len);
}

void sense_link_problem(sense_link *link, const char *text, size_t len)
{
	char *to = link->status.problem;
	size_t room = sizeof link->status.problem - 1;
	len = len < room ? len : room;
	for (size_t i = 0; i < len; i++)
		to[i] = text[i] < ' ' || text[i] > '~' ? '?' : text[i];
	to[len] = '\0';
	link->status.problem_us = sense_clock_us();
}

/* ---- findings --------------------------------------------------------------------------------------- */

/* One message of what is behind `position`, as far as there is room. False: there is no more, or it does not go. */
static bool feed_one(sense_link *link)
{
	static uint8_t items[SENSE_UPLINK_MESSAGE_MAX - sizeof(struct sense_uplink_head)];
	struct sense_spool_item item;
	uint64_t position = link->position;
	size_t len = 0;
	while (sense_spool_next(link->config.spool, position, &item)) {
		size_t whole = ITEM_HEAD + item.len;
		uint32_t size = (uint32_t)item.len;
		if (whole > sizeof items - len || whole > link->credit - len)
			break;
		memcpy(items + len, &item.sequence, sizeof item.sequence);
		memcpy(items + len + 8, &size, sizeof size);
		memcpy(items + len + ITEM_HEAD, item.bytes, item.len);
		len += whole;
		position = item.sequence;
	}
	if (!len || !sense_link_send(link, SENSE_UPLINK_FINDINGS, link->turn, 0, items, len))
		return false;
	link->credit -= len;
	link->position = position;
	link->given = position > link->given ? position : link->given;
	return true;
}

static void feed(sense_link *link)
{
	while (link->wanting && link->config.spool && link->status.pid && feed_one(link))
		;
}

static void want_take(sense_link *link, const struct sense_uplink_head *head, const uint8_t *data, size_t len)
{
	uint32_t room;
	if (len != sizeof room)
		return;
	memcpy(&room, data, sizeof room);
	if (!link->wanting || head->number != link->turn) {
		link->wanting = true;
		link->turn = head->number;
		link->position = head->sequence;
		link->credit = 0;
	}
	link->credit = room < CREDIT_MAX - link->credit ? link->credit + room : CREDIT_MAX;
}

/* Only what some process was given, or what is there: the server may keep it since before this run. */
static bool known(const sense_link *link, uint64_t sequence)
{
	struct sense_spool_item item;
	if (sequence <= link->given)
		return true;
	return link->config.spool && sense_spool_next(link->config.spool, sequence - 1, &item) &&
	       item.sequence == sequence;
}

/* The server keeps all up to there. */
static void through_take(sense_link *link, uint64_t through)
{
	if (through && known(link, through) && through > link->acknowledge)
		link->acknowledge = through;
	link->status.through = through;
}

static void acknowledge(sense_link *link)
{
	sense_error err;
	if (!link->acknowledge || !link->config.spool)
		return;
	if (sense_spool_ack(link->config.spool, link->acknowledge, &err))
		return; /* it is tried again; the spool says what is wrong with the disk when it commits */
	link->acknowledge = 0;
}

/* ---- what the process says -------------------------------------------------------------------------- */

static void up_take(sense_link *link, const struct sense_uplink_head *head, const char *text, size_t len)
{
	size_t room = sizeof link->status.server - 1;
	len = len < room ? len : room;
	memcpy(link->status.server, text, len);
	link->status.server[len] = '\0';
	for (char *c = link->status.server; *c; c++)
		*c = *c < ' ' || *c > '~' ? '?' : *c;
	link->status.connected = true;
	link->status.since_us = sense_clock_us();
	link->status.sessions++;
	through_take(link, head->sequence);
	sense_log(SENSE_LOG_INFO, "link", "connected to %s", link->status.server);
}

static void down_take(sense_link *link, const struct sense_uplink_head *head, const char *text, size_t len)
{
	char before[SENSE_LINK_TEXT_MAX];
	memcpy(before, link->status.problem, sizeof before);
	disconnected(link);
	sense_link_problem(link, text, len);
	/* While there is no server each attempt fails alike: said once. */
	if (head->number || strcmp(before, link->status.problem))
		sense_log(SENSE_LOG_WARN, "link", "%s", link->status.problem);
}

static void done_take(sense_link *link, const struct sense_uplink_head *head, const char *text, size_t len)
{
	if (!len)
		return;
	sense_link_problem(link, text, len);
	sense_log(SENSE_LOG_WARN, "link", "the server refuses a call: %s", link->status.problem);
	if (head->number == SENSE_UPLINK_RENEW)
		sense_link_renew_failed(link, link->status.problem);
}

static bool fleet_take(sense_link *link, const struct sense_uplink_head *head, const uint8_t *data,
                       size_t len)
{
	switch (head->kind) {
	case SENSE_UPLINK_POLICY:
		sense_link_policies_wanted(link, head->sequence);
		return true;
	case SENSE_UPLINK_MANIFEST:
		sense_link_policies_manifest(link, head->sequence, data, len);
		return true;
	case SENSE_UPLINK_PIECE:
		sense_link_policies_piece(link, head->sequence, data, len);
		return true;
	case SENSE_UPLINK_COMMAND:
		return sense_link_commanded(link, head->sequence, (const char *)data, len);
	default:
		return head->kind == SENSE_UPLINK_ALIVE;
	}
}

/* False: the process acts against the rules. */
static bool message_take(sense_link *link, const uint8_t *message, size_t len)
{
	struct sense_uplink_head head;
	if (len < sizeof head)
		return false;
	memcpy(&head, message, sizeof head);
	message += sizeof head;
	len -= sizeof head;
	const char *text = (const char *)message;
	switch (head.kind) {
	case SENSE_UPLINK_WANT:
		want_take(link, &head, message, len);
		return true;
	case SENSE_UPLINK_THROUGH:
		link->status.refused += head.number;
		through_take(link, head.sequence);
		return head.sequence <= link->given;
	case SENSE_UPLINK_UP:
		up_take(link, &head, text, len);
		return true;
	case SENSE_UPLINK_DOWN:
		down_take(link, &head, text, len);
		return true;
	case SENSE_UPLINK_DUE:
		sense_link_due(link, head.number);
		return true;
	case SENSE_UPLINK_DONE:
		done_take(link, &head, text, len);
		return true;
	case SENSE_UPLINK_RENEWED:
		sense_link_renewed(link, message, len);
		return true;
	default:
		return fleet_take(link, &head, message, len);
	}
}

static void messages_take(sense_link *link)
{
	static uint8_t message[SENSE_UPLINK_MESSAGE_MAX];
	for (unsigned i = 0; i < MESSAGES_A_LOOK && link->status.pid; i++) {
		ssize_t got = recv(link->fd, message, sizeof message, MSG_TRUNC);
		if (got < 0 && (errno == EAGAIN || errno == EINTR))
			return;
		if (got <= 0) {
			ended(link, "died");
			return;
		}
		link->still_ms = 0;
		if ((size_t)got > sizeof message || !message_take(link, message, (size_t)got)) {
			ended(link, "said what it may not, and was ended");
			return;
		}
	}
}

/* ---- what others call ------------------------------------------------------------------------------- */

void sense_link_look(sense_link *link, unsigned elapsed_ms)
{
	if (!link->status.pid) {
		link->rest_left_ms -= link->rest_left_ms < elapsed_ms ? link->rest_left_ms : elapsed_ms;
		if (!link->rest_left_ms)
			start(link);
		return;
	}
	link->lived_ms += link->lived_ms < STEADY_MS ? elapsed_ms : 0;
	link->still_ms += elapsed_ms;
	messages_take(link);
	if (link->status.pid && link->still_ms > SILENT_MS)
		ended(link, "did nothing for two minutes and was killed");
	acknowledge(link);
	feed(link);
	sense_link_policies_look(link);
	sense_link_renew_look(link, elapsed_ms);
}

sense_link *sense_link_new(const struct sense_link_config *config, sense_error *err)
{
	sense_link *link = calloc(1, sizeof *link);
	if (!link) {
		sense_fail(err, SENSE_E_MEMORY, "link", "no memory");
		return NULL;
	}
	link->config = *config;
	link->fd = -1;
	link->began_us = link->status.since_us = sense_clock_us();
	if (sense_link_identity_look(link, err)) {
		free(link);
		return NULL;
	}
	sense_link_health_init(link);
	sense_link_policies_init(link);
	return link;
}

void sense_link_free(sense_link *link)
{
	if (!link)
		return;
	if (link->status.pid)
		messages_take(link); /* the last acknowledgements */
	if (link->status.pid)
		sense_link_process_end(link->status.pid, link->fd);
	acknowledge(link);
	sense_buf_fini(&link->policies.bundle);
	OPENSSL_cleanse(link, sizeof *link);
	free(link);
}

void sense_link_status(const sense_link *link, struct sense_link_status *out)
{
	struct sense_spool_stats stats = {0};
	*out = link->status;
	if (link->config.spool)
		sense_spool_stats(link->config.spool, &stats);
	out->waiting = stats.findings + stats.waiting;
	out->certificate_until = link->until;
	out->policies = link->policies.at_work.generation;
}
