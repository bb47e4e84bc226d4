/*
 * The control socket: how `sense-agent status` and `reload` reach a supervisor at work.
 *
 * A unix stream socket, mode 0600, and only root and the supervisor's own user are answered; with a group
 * (control.group) its mode is 0660, and others that may connect are told the status and nothing else. A client sends
 * one line, gets a line `ok` or `failed` and then the answer (JSON, or text when it asked for that), and
 * the connection is closed:
 *
 *   status [rules] [text]     reload [text]     findings AFTER MAX [packed]     ack SEQUENCE
 *
 * A `reload` is answered when it is over. `findings` and `ack` are about the spool (core/cli/findings.h).
 * Clients, their bytes and their time are bounded.
 */
#ifndef SENSE_SERVICE_CONTROL_H
#define SENSE_SERVICE_CONTROL_H

#include <stdint.h>

#include "core/base/buf.h"
#include "core/base/status.h"

#define SENSE_CONTROL_DEFAULT "/run/sense/agent.sock"
#define SENSE_CONTROL_LINE_MAX 64u
#define SENSE_CONTROL_CLIENTS_MAX 16u
#define SENSE_CONTROL_REPLY_MAX ((size_t)32 << 20)

enum sense_control_what {
	SENSE_CONTROL_STATUS,
	SENSE_CONTROL_RELOAD,
	SENSE_CONTROL_FINDINGS,
	SENSE_CONTROL_ACK
};

struct sense_control_request {
	enum sense_control_what what;
	bool rules, text;  /* status, reload */
	bool packed;       /* findings: as MessagePack */
	uint64_t sequence; /* findings: those behind it; ack: those up to it */
	uint64_t max;      /* findings: so many at most */
};

/* A line without its newline. False: not a request. */
bool sense_control_parse(const char *line, size_t len, struct sense_control_request *out);

/* ---- supervisor ---- */

struct sense_control_ops {
	void *self;
	const char *group; /* whose members may ask for the status; NULL or "": nobody's */
	/* Begins a reload. The number that sense_control_ended will be called with; 0: it is over. */
	uint64_t (*reload)(void *self);
	void (*reply)(void *self, const struct sense_control_request *request, struct sense_buf *out);
};

struct ev_loop;
typedef struct sense_control sense_control;
sense_control *sense_control_open(struct ev_loop *loop, const char *path, const struct sense_control_ops *ops,
                                  sense_error *err);
void sense_control_close(sense_control *control); /* NULL is fine; removes the socket */
/* Answers those who wait for reloads up to this number. */
void sense_control_ended(sense_control *control, uint64_t reload);

/* ---- client ---- */

/* Sends one request line (without newline) and waits for the whole answer; *ok is its first line. */
enum sense_status sense_control_ask(const char *path, const char *request, struct sense_buf *answer,
                                    bool *ok, sense_error *err);

#endif
