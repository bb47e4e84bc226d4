/*
 * Findings on their way to the server: cut into batches, several outstanding, each beginning where the one before it
 * ended. What was not acknowledged is not kept here but in the spool, and asked for again.
 *
 * Whenever the server takes less than was sent (gap, busy, too large) all that is outstanding is void: once that was
 * answered, findings are asked for again from what the server keeps.
 *
 * A server that has to refuse is pressed less, as many agents come at once when it was away: one batch at a time and a
 * smaller one, after a pause that doubles with each refusal and differs from agent to agent. Each batch that it keeps
 * makes room for one more. (Additive increase, multiplicative decrease: RFC 5681, section 3.1, has it for TCP.)
 */
#include "uplink.h"

#define FLUSH_MS 200u /* how long a finding waits for others */
#define ITEM_HEAD 12u /* sequence and length */
#define ITEM_WIRE 24u /* what MessagePack adds to one, at most */
#define AGAIN_MAX_MS 300000u
#define BUSY_MS 1000u     /* when the server does not say how long */
#define BUSY_MAX_MS 8000u /* what doubling leads to, at most: a server that is there again is not left idle */
#define HALVINGS_MAX 4u   /* of a batch */
#define GRANT_MIN (QUEUE_MAX / 4)

/* ---- from the supervisor ---------------------------------------------------------------------------- */

static void want(struct uplink *u)
{
	struct batches *b = &u->batches;
	uint32_t room = (uint32_t)(QUEUE_MAX - (b->queue.len - b->queue_at) - b->credit);
	if (room < GRANT_MIN)
		return;
	b->credit += room;
	tell(u, SENSE_UPLINK_WANT, b->turn, b->through, &room, sizeof room);
}

void batch_restart(struct uplink *u, uint64_t through)
{
	struct batches *b = &u->batches;
	b->turn++;
	b->after = b->fetched = b->through = through;
	b->queue_at = b->queue_rows = 0;
	bytes_clear(&b->queue);
	b->credit = 0;
	b->again = false;
	want(u);
}

void batch_close(struct uplink *u)
{
	struct batches *b = &u->batches;
	b->turn++; /* what still comes from the supervisor belongs to nothing */
	b->outstanding = 0;
	b->again = false;
	b->queue_at = b->queue_rows = 0;
	b->credit = 0;
	bytes_clear(&b->queue);
}

/* The item at a place of what the supervisor sent. False: it is none. */
static bool item_at(const uint8_t *data, size_t len, uint64_t *sequence, uint32_t *size)
{
	if (len < ITEM_HEAD)
		return false;
	memcpy(sequence, data, sizeof *sequence);
	memcpy(size, data + sizeof *sequence, sizeof *size);
	return *size <= len - ITEM_HEAD;
}

void batch_take(struct uplink *u, uint32_t turn, const uint8_t *items, size_t len)
{
	struct batches *b = &u->batches;
	uint64_t sequence;
	uint32_t size;
	if (turn != b->turn || u->phase != PHASE_SESSION)
		return;
	/* What was sent already makes way. */
	if (b->queue_at) {
		memmove(b->queue.data, b->queue.data + b->queue_at, b->queue.len - b->queue_at);
		b->queue.len -= b->queue_at;
		b->queue_at = 0;
	}
	if (!b->queue_rows)
		b->flush_at = u->now + FLUSH_MS;
	for (size_t at = 0; item_at(items + at, len - at, &sequence, &size); at += ITEM_HEAD + size) {
		size_t whole = ITEM_HEAD + size;
		if (sequence <= b->fetched || whole > b->credit ||
		    !bytes_add(&b->queue, items + at, whole, QUEUE_MAX))
			break;
		b->credit -= whole;
		b->fetched = sequence;
		b->queue_rows++;
	}
}

/* ---- to the server ---------------------------------------------------------------------------------- */

/* A token bucket: as much as a second brings may go at once. */
static bool tokens_have(struct uplink *u)
{
	struct batches *b = &u->batches;
	if (!u->bandwidth)
		return true;
	b->tokens += (double)(u->now - b->tokens_at) * (double)u->bandwidth / 1000;
	if (b->tokens > (double)u->bandwidth)
		b->tokens = (double)u->bandwidth;
	b->tokens_at = u->now;
	return b->tokens > 0;
}

static unsigned rows_most(const struct batches *b)
{
	unsigned rows = b->rows_max >> (b->refusals < HALVINGS_MAX ? b->refusals : HALVINGS_MAX);
	return rows ? rows : 1;
}

/* How many findings, and bytes of the queue, the next batch holds. */
static unsigned batch_measure(const struct uplink *u, size_t *bytes)
{
	const struct batches *b = &u->batches;
	size_t most = b->bytes_max, at = b->queue_at;
	unsigned rows = 0, rows_max = rows_most(b);
	uint64_t sequence;
	uint32_t size;
	if (u->bandwidth && u->bandwidth < most)
		most = (size_t)u->bandwidth;
	*bytes = 0;
	while (rows < rows_max && item_at(b->queue.data + at, b->queue.len - at, &sequence, &size)) {
		size_t whole = size + ITEM_WIRE;
		if (rows && *bytes + whole > most)
			break;
		*bytes += whole;
		at += ITEM_HEAD + size;
		rows++;
	}
	return rows;
}

static void batch_send(struct uplink *u, unsigned rows, size_t bytes)
{
	struct batches *b = &u->batches;
	struct sense_wire_writer writer;
	uint64_t sequence = b->after;
	uint32_t size;
	struct call *call = call_begin(u, SENSE_METHOD_FINDINGS, bytes + 64, &writer);
	if (!call)
		return;
	sense_message_put_findings(&writer, b->after, rows);
	for (unsigned i = 0; i < rows; i++) {
		const uint8_t *item = b->queue.data + b->queue_at;
		if (!item_at(item, b->queue.len - b->queue_at, &sequence, &size))
			break;
		sense_message_put_finding(&writer, sequence, item + ITEM_HEAD, size);
		b->queue_at += ITEM_HEAD + size;
	}
	call->what = CALL_FINDINGS;
	call->last = sequence;
	call->rows = rows;
	call_end(u, call, &writer);
	b->queue_rows -= rows;
	b->after = sequence;
	b->outstanding++;
	b->tokens -= (double)bytes;
	b->flush_at = u->now + FLUSH_MS;
}

static bool batch_full(const struct uplink *u, unsigned rows)
{
	const struct batches *b = &u->batches;
	return rows >= b->rows_max || rows < b->queue_rows || u->now >= b->flush_at;
}

void batch_pump(struct uplink *u)
{
	struct batches *b = &u->batches;
	size_t bytes;
	if (b->again && !b->outstanding && u->now >= b->again_at)
		batch_restart(u, b->through);
	while (!b->again && b->queue_rows && b->outstanding < b->window &&
	       u->out.len - u->out_at < OUT_MAX / 2) {
		unsigned rows = batch_measure(u, &bytes);
		if (!rows || !batch_full(u, rows) || !tokens_have(u))
			break;
		unsigned before = b->outstanding;
		batch_send(u, rows, bytes);
		if (b->outstanding == before)
			break;
	}
	if (!b->again)
		want(u);
}

uint64_t batch_wakes(const struct uplink *u)
{
	const struct batches *b = &u->batches;
	if (b->again)
		return b->outstanding ? UINT64_MAX : b->again_at;
	if (!b->queue_rows || b->outstanding >= b->window)
		return UINT64_MAX;
	if (u->bandwidth && b->tokens <= 0)
		return u->now + (uint64_t)(-b->tokens * 1000 / (double)u->bandwidth) + 1;
	return b->flush_at;
}

/* ---- answers ---------------------------------------------------------------------------------------- */

static void go_again(struct uplink *u, uint32_t wait_ms)
{
	struct batches *b = &u->batches;
	uint64_t at = u->now + (wait_ms < AGAIN_MAX_MS ? wait_ms : AGAIN_MAX_MS);
	if (!b->again || at > b->again_at)
		b->again_at = at;
	b->again = true;
}

/* The server keeps all up to there: no more than it was ever given, nor less than it said before. */
static bool through_take(struct uplink *u, uint64_t through, uint32_t refused)
{
	struct batches *b = &u->batches;
	if (through > b->after) {
		lost(u, true, "the server acknowledges findings that it was not given");
		return false;
	}
	if (through > b->through || refused)
		tell(u, SENSE_UPLINK_THROUGH, refused, through, NULL, 0);
	if (through > b->through) {
		b->through = through;
		b->refusals = 0;
		b->window += b->window < WINDOW;
		u->retries = u->tried = 0; /* it does what it is there for */
	}
	return true;
}

/* It cannot take them now. Counts once for all that is outstanding. */
static void busy(struct uplink *u, uint32_t retry_ms)
{
	struct batches *b = &u->batches;
	uint64_t wait = retry_ms;
	if (!b->again) {
		b->window = 1;
		wait = backoff(retry_ms ? retry_ms : BUSY_MS, ++b->refusals, BUSY_MAX_MS);
	}
	go_again(u, wait > retry_ms ? (uint32_t)wait : retry_ms);
}

/* Once for all that is outstanding. */
static void smaller(struct uplink *u, const struct call *call)
{
	struct batches *b = &u->batches;
	if (!b->again)
		b->rows_max = call->rows / 2;
	go_again(u, 0);
}

static void refused_take(struct uplink *u, const struct call *call, const struct sense_rpc_message *message)
{
	struct batches *b = &u->batches;
	struct sense_message_error error;
	const char *why;
	if (!sense_message_get_error(message->error, message->error_len, u->storage, &error, &why)) {
		lost(u, false, "the server's answer cannot be read: %s", why);
		return;
	}
	if (!strcmp(error.code, "gap")) {
		/* It may keep less than it did: a database that was set back. What was acknowledged is gone then. */
		if (error.through > b->after)
			lost(u, true, "the server acknowledges findings that it was not given");
		else
			b->through = error.through;
		go_again(u, 0);
	} else if (!strcmp(error.code, "busy")) {
		busy(u, error.retry);
	} else if (!strcmp(error.code, "too_large") && call->rows > 1) {
		smaller(u, call);
	} else {
		bool denied = !strcmp(error.code, "revoked") || !strcmp(error.code, "denied");
		lost(u, denied, "the server refuses findings: %s: %s", error.code,
		     error.message ? error.message : "");
	}
}

void batch_answer(struct uplink *u, const struct call *call, const struct sense_rpc_message *message)
{
	struct batches *b = &u->batches;
	struct sense_message_reported reported;
	const char *why;
	b->outstanding -= b->outstanding != 0;
	if (message->error) {
		refused_take(u, call, message);
		return;
	}
	if (!sense_message_get_reported(message->body, message->body_len, u->storage, &reported, &why)) {
		lost(u, false, "the server's answer cannot be read: %s", why);
		return;
	}
	if (through_take(u, reported.through, reported.refused) && reported.through < call->last)
		go_again(u, 0); /* a part was taken */
}
