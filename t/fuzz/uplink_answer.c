/*
 * What a server says to the uplink: the stream of a session, behind one byte that says which calls are under way, or the
 * answer to an enrolment.
 */
#include <fcntl.h>
#include <sys/socket.h>
#include <unistd.h>

#include "plugins/uplink/batch.c"
#undef ITEM_HEAD
#include "plugins/uplink/connect.c"
#include "plugins/uplink/enrol.c"
#undef PIECE_MAX
#include "plugins/uplink/policy.c"
#include "plugins/uplink/session.c"
#include "plugins/uplink/tls.c"
#undef NAME
#define NAME "uplink"
#include "plugins/uplink/uplink.c"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static enum sense_status fail(sense_error *err, enum sense_status status, const char *subsystem,
                              const char *fmt, ...)
{
	(void)err;
	(void)subsystem;
	(void)fmt;
	return status;
}

/* What it tells goes nowhere. */
static struct uplink *uplink_make(void)
{
	static const struct sense_host host = {.size = sizeof host, .fail = fail};
	const char *const servers[] = {"127.0.0.1:1"};
	const struct sense_uplink_enrol enrol = {.fingerprint =
	                                             (const uint8_t *)"0123456789abcdef0123456789abcdef",
	                                         .secret = "",
	                                         .request = "",
	                                         .host = "",
	                                         .version = ""};
	const struct sense_uplink_want wanted = {
	    .size = sizeof wanted, .servers = servers, .server_count = 1, .names = -1, .enrol = &enrol};
	void *made = NULL;
	int ends[2];
	if (begin(&host, &wanted, &made, NULL) || socketpair(AF_UNIX, SOCK_DGRAM | SOCK_NONBLOCK, 0, ends))
		abort();
	struct uplink *u = made;
	u->fd = ends[0];
	u->names = ends[1];
	return u;
}

static void drain(struct uplink *u)
{
	static uint8_t message[SENSE_UPLINK_MESSAGE_MAX];
	while (recv(u->names, message, sizeof message, MSG_DONTWAIT) >= 0)
		;
}

/* Calls of all kinds wait for their answers. */
static void session(struct uplink *u, uint8_t calls)
{
	u->enrolling = u->over = false;
	u->phase = calls & 1 ? PHASE_SESSION : PHASE_REGISTER;
	u->ssl = SSL_new(u->tls);
	u->call_ms = 1000;
	u->batches.rows_max = 10;
	u->batches.bytes_max = 10000;
	u->batches.after = 100;
	u->fetch = (struct fetch){.wanted = true, .generation = 1};
	sense_rpc_scan_init(&u->scanner, IN_MAX);
	for (unsigned i = 0; i < CALLS_MAX; i++) {
		struct call *call = &u->calls[i];
		*call = (struct call){
		    .used = true, .id = i, .method = i % SENSE_UPLINK_METHODS, .rows = i, .last = 10 * i};
		call->what = i < 6  ? CALL_METHOD
		           : i < 10 ? CALL_FINDINGS
		           : i < 13 ? CALL_POLICIES
		                    : CALL_COMMANDS;
	}
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static struct uplink *u;
	char why[384];
	u = u ? u : uplink_make();
	if (!size)
		return 0;
	if (data[0] & 2) {
		char *text = malloc(size);
		memcpy(text, data + 1, size - 1);
		text[size - 1] = '\0';
		u->over = false;
		enrol_answer(u, text, size - 1, why, sizeof why);
		free(text);
		drain(u);
		return 0;
	}
	session(u, data[0]);
	/* In pieces that make the stream end anywhere. */
	for (size_t at = 1, piece = 1 + data[0] / 4; at < size && u->ssl; at += piece) {
		data_take(u, data + at, size - at < piece ? size - at : piece);
		drain(u);
	}
	stream_close(u);
	drain(u);
	return 0;
}
