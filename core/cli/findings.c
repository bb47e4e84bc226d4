#include "core/cli/findings.h"

#include <endian.h>
#include <errno.h>
#include <poll.h>
#include <stdio.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "core/cli/table.h"
#include "core/show/json.h"
#include "core/show/terminal.h"
#include "core/show/text.h"

#define BATCH 256u
#define ANSWER_MAX ((size_t)8 << 20)
#define FRAME 12u /* sequence and length */
#define FOLLOW_MS 500
#define LINE_TEXT 256u

typedef unsigned long long ull;

/* ---- the supervisor's end --------------------------------------------------------------------------- */

static void item_packed(struct sense_buf *out, const struct sense_spool_item *item)
{
	uint64_t sequence = htobe64(item->sequence);
	uint32_t len = htobe32((uint32_t)item->len);
	sense_buf_add(out, &sequence, sizeof sequence);
	sense_buf_add(out, &len, sizeof len);
	sense_buf_add(out, item->bytes, item->len);
}

static void item_json(struct sense_buf *out, const struct sense_spool_item *item)
{
	static char storage[SENSE_FINDING_BYTES_MAX];
	struct sense_finding finding;
	const char *why;
	sense_buf_printf(out, "{\"seq\":%llu,\"finding\":", (ull)item->sequence);
	if (sense_finding_decode(item->bytes, item->len, storage, sizeof storage, &finding, &why)) {
		sense_json_finding(out, &finding);
		out->len -= !out->failed; /* its newline */
	} else {
		sense_buf_adds(out, "null");
	}
	sense_buf_adds(out, "}\n");
}

static void findings_answer(sense_spool *spool, const struct sense_control_request *request,
                            struct sense_buf *out)
{
	struct sense_spool_item item;
	uint64_t after = request->sequence, most = request->max < BATCH ? request->max : BATCH;
	sense_buf_adds(out, "ok\n");
	for (uint64_t i = 0; i < most && out->len < ANSWER_MAX / 2; i++) {
		if (!sense_spool_next(spool, after, &item))
			break;
		after = item.sequence;
		if (request->packed)
			item_packed(out, &item);
		else
			item_json(out, &item);
	}
}

bool sense_spool_answer(sense_spool *spool, const struct sense_control_request *request,
                        struct sense_buf *out)
{
	sense_error err;
	if (request->what != SENSE_CONTROL_FINDINGS && request->what != SENSE_CONTROL_ACK)
		return false;
	if (!spool)
		sense_buf_adds(out, "failed\nthis agent keeps no findings: it has no spool.dir\n");
	else if (request->what == SENSE_CONTROL_FINDINGS)
		findings_answer(spool, request, out);
	else if (sense_spool_ack(spool, request->sequence, &err))
		sense_buf_printf(out, "failed\n%s\n", err.message);
	else
		sense_buf_adds(out, "ok\n");
	return true;
}

/* ---- the command ------------------------------------------------------------------------------------ */

struct session {
	const struct sense_cli *cli;
	const struct sense_conf *conf;
	sense_spool *spool;      /* when no agent runs */
	bool agent;              /* one answered */
	struct sense_buf answer; /* of the latest request */
	sense_table *table;
	struct sense_buf out;  /* for stdout */
	uint64_t last;         /* sequence of the latest finding shown */
	uint64_t acknowledged; /* and of the latest acknowledged */
	bool answered;         /* there was an answer at least once */
	bool reader_gone, write_failed;
};

/* No agent runs: what it left behind is read here. It stays locked as long as that takes. */
static enum sense_status spool_open(struct session *session, sense_error *err)
{
	sense_error why;
	const char *dir = sense_conf_text(session->conf, SENSE_CONF_SPOOL_DIR);
	if (!*dir)
		return sense_fail(err, SENSE_E_NOTFOUND, "findings",
		                  "%s, and no spool.dir is set to read instead", err->message);
	struct sense_spool_config config = {
	    .dir = dir,
	    .max_bytes = sense_conf_number(session->conf, SENSE_CONF_SPOOL_MAX_BYTES),
	    .existing = true,
	};
	session->spool = sense_spool_open(&config, &why);
	if (session->spool)
		return SENSE_OK;
	return sense_fail(err, why.status, "findings", "%s; and %s", err->message, why.message);
}

/* The answer of the agent, or of the spool itself, without its first line. */
static enum sense_status ask(struct session *session, const char *request, struct sense_buf *rest,
                             sense_error *err)
{
	bool ok = false;
	struct sense_control_request parsed;
	const char *socket = sense_conf_text(session->conf, SENSE_CONF_CONTROL_SOCKET);
	enum sense_status status = SENSE_OK;
	sense_buf_clear(&session->answer);
	if (!session->spool) {
		status = sense_control_ask(*socket ? socket : SENSE_CONTROL_DEFAULT, request,
		                           &session->answer, &ok, err);
		if (status && (session->agent || spool_open(session, err)))
			return err->status;
		session->agent = !status;
	}
	if (session->spool) {
		sense_control_parse(request, strlen(request), &parsed);
		sense_spool_answer(session->spool, &parsed, &session->answer);
		ok = !strncmp(sense_buf_str(&session->answer), "ok\n", 3);
	}
	const char *text = sense_buf_str(&session->answer), *newline = strchr(text, '\n');
	size_t head = newline ? (size_t)(newline + 1 - text) : session->answer.len;
	*rest = (struct sense_buf){.data = session->answer.data + head, .len = session->answer.len - head};
	session->answered |= ok;
	if (ok)
		return SENSE_OK;
	return sense_fail(err, SENSE_E_IO, "findings", "%.*s", (int)strcspn(text + head, "\n"), text + head);
}

/* True when all has arrived; what a file took is on its disk before anything is acknowledged. */
static bool flush(struct session *session)
{
	bool good =
	    fwrite(session->out.data, 1, session->out.len, stdout) == session->out.len && !fflush(stdout);
	session->reader_gone = !good && errno == EPIPE;
	sense_buf_clear(&session->out);
	if (good && session->cli->ack && fdatasync(STDOUT_FILENO) && errno != EINVAL && errno != EROFS)
		good = false;
	session->write_failed = !good && !session->reader_gone;
	return good;
}

/* A line of --follow. */
static void line_add(struct sense_buf *out, const struct sense_finding *finding)
{
	char when[32], text[LINE_TEXT];
	struct tm utc;
	time_t seconds = (time_t)(finding->timestamp / 1000000);
	strftime(when, sizeof when, "%Y-%m-%dT%H:%M:%SZ", gmtime_r(&seconds, &utc));
	sense_text_clean(finding->severity, text, sizeof text);
	sense_buf_printf(out, "%s  %-8s  ", when, text);
	sense_text_clean(finding->rule, text, sizeof text);
	sense_buf_printf(out, "%s  ", text);
	sense_text_clean(finding->summary ? finding->summary : "", text, sizeof text);
	sense_buf_printf(out, "%s\n", text);
}

static void show(struct session *session, const struct sense_finding *finding)
{
	if (session->table)
		sense_table_finding(session->table, finding);
	else if (session->cli->json)
		sense_json_finding(&session->out, finding);
	else
		line_add(&session->out, finding);
}

/* One frame of a packed answer; the bytes it took, 0: it is none. */
static size_t frame_show(struct session *session, const uint8_t *at, size_t left, sense_error *err)
{
	static char storage[SENSE_FINDING_BYTES_MAX];
	struct sense_finding finding;
	uint64_t sequence = 0;
	uint32_t len = 0;
	const char *why = "the answer is cut short";
	if (left >= FRAME) {
		memcpy(&sequence, at, sizeof sequence);
		memcpy(&len, at + sizeof sequence, sizeof len);
		sequence = be64toh(sequence);
		len = be32toh(len);
	}
	bool whole = left >= FRAME && len <= left - FRAME && sequence > session->last;
	if (!whole || !sense_finding_decode(at + FRAME, len, storage, sizeof storage, &finding, &why)) {
		sense_fail(err, SENSE_E_FORMAT, "findings", "a finding cannot be read: %s", why);
		return 0;
	}
	session->last = sequence;
	show(session, &finding);
	return FRAME + len;
}

static enum sense_status acknowledge(struct session *session, sense_error *err)
{
	char request[SENSE_CONTROL_LINE_MAX];
	struct sense_buf rest;
	if (!session->cli->ack || session->last == session->acknowledged)
		return SENSE_OK;
	snprintf(request, sizeof request, "ack %llu", (ull)session->last);
	enum sense_status status = ask(session, request, &rest, err);
	if (!status)
		session->acknowledged = session->last;
	return status;
}

/* Writes what was shown and acknowledges it. */
static enum sense_status settle(struct session *session, sense_error *err)
{
	if (session->out.failed)
		return sense_fail(err, SENSE_E_MEMORY, "findings", "no memory for the output");
	if (flush(session))
		return acknowledge(session, err);
	return session->reader_gone ? SENSE_OK : sense_fail_errno(err, "findings", "cannot write the output");
}

/* All that there is at this moment, in batches. */
static enum sense_status round_show(struct session *session, sense_error *err)
{
	char request[SENSE_CONTROL_LINE_MAX];
	struct sense_buf rest = {0};
	/* Of the latest round, when the agent had gone before it could be told. */
	enum sense_status status = acknowledge(session, err);
	while (!status && !session->reader_gone) {
		snprintf(request, sizeof request, "findings %llu %u packed", (ull)session->last, BATCH);
		status = ask(session, request, &rest, err);
		if (status || !rest.len)
			break;
		uint64_t before = session->last;
		for (size_t at = 0, took; !status && at < rest.len; at += took) {
			took = frame_show(session, (const uint8_t *)rest.data + at, rest.len - at, err);
			status = took ? SENSE_OK : err->status;
		}
		if (status) { /* what was not written must not be acknowledged later */
			session->last = before;
			sense_buf_clear(&session->out);
		} else if (!session->table) {
			status = settle(session, err);
		}
	}
	return status;
}

static enum sense_status table_show(struct session *session, sense_error *err)
{
	struct sense_table_style style = {
	    .width = sense_terminal_width(),
	    .color = sense_terminal_color(session->cli->color),
	};
	sense_table_print(session->table, &style, NULL, &session->out);
	return settle(session, err);
}

/* Waits for a while, or until the reader of stdout has gone. */
static bool wait_more(void)
{
	struct pollfd reader = {.fd = STDOUT_FILENO};
	return poll(&reader, 1, FOLLOW_MS) <= 0 || !(reader.revents & (POLLERR | POLLNVAL));
}

/* An agent may stop and start meanwhile: it finds the spool free, and who follows finds it again. */
static enum sense_status follow(struct session *session, sense_error *err)
{
	bool said = false;
	do {
		enum sense_status status = round_show(session, err);
		if (status && (session->write_failed || !session->answered))
			return status;
		if (status && !said)
			fprintf(stderr, "sense-agent: %s; waiting\n", err->message);
		said = status != SENSE_OK;
		sense_spool_close(session->spool);
		session->spool = NULL;
		session->agent = false;
	} while (!session->reader_gone && wait_more());
	return SENSE_OK;
}

int sense_findings_run(const struct sense_cli *cli, const struct sense_conf *conf)
{
	struct session session = {.cli = cli, .conf = conf};
	sense_error err;
	enum sense_status status;
	sense_buf_init(&session.answer, ANSWER_MAX);
	sense_buf_init(&session.out, 0);
	bool table = !cli->json && !cli->follow;
	if (table && !(session.table = sense_table_new()))
		status = sense_fail(&err, SENSE_E_MEMORY, "findings", "no memory for the table");
	else
		status = cli->follow ? follow(&session, &err) : round_show(&session, &err);
	if (!status && table)
		status = table_show(&session, &err);
	if (status)
		fprintf(stderr, "sense-agent: %s\n", err.message);
	sense_spool_close(session.spool);
	sense_table_free(session.table);
	sense_buf_fini(&session.answer);
	sense_buf_fini(&session.out);
	return status ? SENSE_EXIT_FAILED : SENSE_EXIT_OK;
}
