/* What an agent says and hears: proto/SCHEMA.md, from its side. */
#include <stdlib.h>
#include <string.h>

#include "contrib/load/load.h"
#include "core/base/clock.h"

enum { ROOM = 4 << 20, HEAD_MAX = 64, FINDING_ROOM = 2048, STORAGE = 1 << 20 };
#define REFUSED_MAX_S 8.0
#define HALVINGS_MAX 4u

/* One message at a time is written and read by the process. */
static uint8_t room[ROOM];
static char storage[STORAGE];

static double now_of(const struct load_agent *agent)
{
	return ev_now(agent->load->loop);
}

/* ---- calls --------------------------------------------------------------------------------------------- */

static struct load_call *call_begin(struct load_agent *agent, enum load_call_kind kind)
{
	struct load_call *call = &agent->calls[agent->call_count++];
	*call = (struct load_call){.id = ++agent->next_id, .kind = kind, .sent = ev_time()};
	return call;
}

static void call_put(struct load_agent *agent, const struct load_call *call, const char *method,
                     const struct sense_wire_writer *body)
{
	uint8_t head[HEAD_MAX];
	struct sense_wire_writer writer = {.data = head, .cap = sizeof head};
	if (body->full)
		abort();
	sense_rpc_put_request(&writer, call->id, method);
	load_put(agent, writer.data, writer.len);
	load_put(agent, body->data, body->len);
}

static void say_register(struct load_agent *agent)
{
	char host[32];
	struct sense_wire_writer writer = {.data = room, .cap = sizeof room};
	snprintf(host, sizeof host, "host-%u", agent->index);
	const struct sense_message_register message = {.version = "0.3.0",
	                                               .host = host,
	                                               .os = "Debian GNU/Linux 12 (bookworm)",
	                                               .kernel = "6.1.0-18-amd64",
	                                               .arch = "x86_64",
	                                               .policy = agent->policy};
	sense_message_put_register(&writer, &message);
	call_put(agent, call_begin(agent, LOAD_CALL_REGISTER), SENSE_METHOD_REGISTER, &writer);
}

static void say_beat(struct load_agent *agent)
{
	struct sense_wire_writer writer = {.data = room, .cap = sizeof room};
	const struct load_spool *spool = &agent->load->state->spools[agent->index];
	const struct sense_message_heartbeat message = {
	    .time = sense_clock_us(),
	    .uptime = (uint64_t)(now_of(agent) - agent->load->begun),
	    .policy = agent->policy,
	    .rules = agent->load->options.policy_rules,
	    .counter_count = 4,
	    .counters = {{"findings", spool->generated},
	                 {"packets", spool->generated * 1000},
	                 {"spool.findings", spool->generated - spool->acknowledged},
	                 {"packets.dropped", 0}}};
	sense_message_put_heartbeat(&writer, &message);
	call_put(agent, call_begin(agent, LOAD_CALL_BEAT), SENSE_METHOD_HEARTBEAT, &writer);
	agent->load->counts.beats++;
}

static void say_get_policies(struct load_agent *agent)
{
	struct sense_wire_writer writer = {.data = room, .cap = sizeof room};
	const struct sense_message_get_policies message = {agent->wanted.generation, agent->offset};
	sense_message_put_get_policies(&writer, &message);
	call_put(agent, call_begin(agent, LOAD_CALL_POLICY), SENSE_METHOD_POLICIES, &writer);
	agent->fetching = true;
}

static void say_acknowledge(struct load_agent *agent)
{
	char id[32];
	struct sense_wire_writer writer = {.data = room, .cap = sizeof room};
	unsigned rules = agent->load->options.policy_rules;
	const struct sense_message_acknowledge message = {
	    .policy = agent->policy, .loaded = true, .count = rules};
	sense_message_put_acknowledge(&writer, &message);
	for (unsigned i = 0; i < rules; i++) {
		snprintf(id, sizeof id, "load.rule.%u", i);
		sense_message_put_rule(&writer, &(struct sense_message_rule){.id = id, .state = "loaded"});
	}
	call_put(agent, call_begin(agent, LOAD_CALL_ACKNOWLEDGE), SENSE_METHOD_ACKNOWLEDGE, &writer);
}

/* ---- findings ------------------------------------------------------------------------------------------ */

static void say_batch(struct load_agent *agent, uint64_t most)
{
	static uint8_t encoded[SENSE_FINDING_BYTES_MAX], rows[ROOM];
	struct load *load = agent->load;
	struct sense_wire_writer items = {.data = rows, .cap = sizeof rows},
				 head = {.data = room, .cap = HEAD_MAX};
	struct sense_finding finding;
	uint64_t after = agent->sent;
	uint32_t count = 0;
	while (count < most && items.len + FINDING_ROOM + HEAD_MAX < agent->bytes_max) {
		load_finding_make(load->state, agent->index, after + count + 1, &finding);
		size_t len = sense_finding_encode(&finding, encoded, sizeof encoded);
		count++;
		sense_message_put_finding(&items, after + count, encoded, len);
	}
	struct load_call *call = call_begin(agent, LOAD_CALL_BATCH);
	call->rows = count;
	call->last = after + count;
	sense_message_put_findings(&head, after, count);
	call_put(agent, call, SENSE_METHOD_FINDINGS, &head);
	load_put(agent, items.data, items.len);
	if (items.full)
		abort();
	agent->sent = call->last;
	agent->batches++;
	load->counts.batches++;
	load->counts.findings_sent += count;
}

/* After a refusal less is tried. */
static uint64_t rows_most(const struct load_agent *agent)
{
	unsigned rows = agent->rows_max >> (agent->refusals < HALVINGS_MAX ? agent->refusals : HALVINGS_MAX);
	return rows ? rows : 1;
}

void load_agent_send(struct load_agent *agent, double now)
{
	struct load *load = agent->load;
	uint64_t most = rows_most(agent);
	struct load_spool *spool = &load->state->spools[agent->index];
	bool wrote = false;
	if (agent->state != LOAD_READY || agent->hold > now)
		return;
	if (agent->back && !agent->batches) {
		agent->back = false;
		agent->sent = spool->acknowledged;
	}
	while (!agent->back && agent->batches < agent->window && agent->call_count + 2 < LOAD_CALLS_MAX) {
		if (load->options.rate_max)
			load_findings_take(load, agent, agent->rows_max - (spool->generated - agent->sent));
		uint64_t waiting = spool->generated - agent->sent;
		bool late =
		    !load->generating || (agent->waiting > 0 && now - agent->waiting >= load->options.delay);
		if (!waiting || (waiting < agent->rows_max && !late && !load->options.rate_max))
			break;
		say_batch(agent, waiting < most ? waiting : most);
		agent->waiting = agent->sent < spool->generated ? now : 0;
		wrote = true;
	}
	if (wrote)
		load_flush(agent);
}

/* What the server has kept. */
static void through_take(struct load_agent *agent, uint64_t through)
{
	struct load *load = agent->load;
	struct load_spool *spool = &load->state->spools[agent->index];
	if (through > spool->generated) {
		load->counts.ahead++;
		return;
	}
	if (through > spool->acknowledged) {
		load->acknowledged += through - spool->acknowledged;
		spool->acknowledged = through;
		agent->refusals = 0;
		agent->window += agent->window < load->options.window;
	}
}

/* ---- answers ------------------------------------------------------------------------------------------- */

static void policy_want(struct load_agent *agent, const struct sense_message_policy *policy)
{
	if (policy->generation <= agent->policy.generation || policy->generation <= agent->wanted.generation)
		return;
	agent->wanted = *policy;
	struct load_counts *counts = &agent->load->counts;
	counts->policies_told++;
	if (agent->load->options.wait_policy && policy->generation >= agent->load->options.wait_policy &&
	    !counts->first_told_us)
		counts->first_told_us = sense_clock_us();
	agent->offset = 0;
	if (!agent->fetching)
		say_get_policies(agent);
}

static bool heard_registered(struct load_agent *agent, const struct sense_rpc_message *message,
                             const char **why)
{
	struct load *load = agent->load;
	struct sense_message_registered registered;
	struct load_spool *spool = &load->state->spools[agent->index];
	if (!sense_message_get_registered(message->body, message->body_len, storage, &registered, why))
		return false;
	load->counts.registrations++;
	load->connecting--;
	load->ready++;
	load->unknown -= !agent->known;
	agent->known = true;
	agent->state = LOAD_READY;
	agent->failures = 0;
	if (registered.through < spool->acknowledged)
		load->counts.went_back++;
	through_take(agent, registered.through);
	agent->window = 1;
	agent->sent = registered.through < spool->generated ? registered.through : spool->generated;
	agent->waiting = agent->sent < spool->generated ? now_of(agent) : 0;
	agent->rows_max =
	    load->options.batch < registered.batch_rows ? load->options.batch : registered.batch_rows;
	agent->bytes_max = registered.batch_bytes < ROOM / 2 ? registered.batch_bytes : ROOM / 2;
	agent->beat_every = load->options.heartbeat < 0 ? registered.heartbeat : load->options.heartbeat;
	agent->beat_due = now_of(agent) + agent->beat_every * (double)random() / RAND_MAX;
	agent->wanted = agent->policy;
	if (!load->counts.all_ready && load->ready == load->options.agents)
		load->counts.all_ready = now_of(agent) - load->begun;
	policy_want(agent, &registered.policy);
	load_agent_send(agent, now_of(agent));
	return true;
}

static bool heard_reported(struct load_agent *agent, const struct load_call *call,
                           const struct sense_rpc_message *message, const char **why)
{
	struct sense_message_reported reported;
	if (!sense_message_get_reported(message->body, message->body_len, storage, &reported, why))
		return false;
	load_histogram_add(&agent->load->counts.batch, (uint64_t)((ev_time() - call->sent) * 1e6));
	agent->load->counts.rows_refused += reported.refused;
	if (reported.through < call->last)
		agent->load->counts.went_back++;
	through_take(agent, reported.through);
	return true;
}

static void policy_taken(struct load_agent *agent)
{
	agent->policy = agent->wanted;
	say_acknowledge(agent);
}

static bool heard_policies(struct load_agent *agent, const struct sense_rpc_message *message,
                           const char **why)
{
	struct sense_message_policies piece;
	uint8_t hash[SENSE_MESSAGE_HASH];
	agent->fetching = false;
	if (!sense_message_get_policies(message->body, message->body_len, storage, &piece, why))
		return false;
	if (piece.policy.generation != agent->wanted.generation || piece.offset != agent->offset) {
		agent->offset = 0; /* another one came meanwhile */
		say_get_policies(agent);
		return true;
	}
	if (!agent->digest)
		agent->digest = EVP_MD_CTX_new();
	if (!agent->offset)
		EVP_DigestInit_ex(agent->digest, EVP_sha256(), NULL);
	EVP_DigestUpdate(agent->digest, piece.bytes.data, piece.bytes.len);
	agent->offset += piece.bytes.len;
	if (agent->offset < piece.size && piece.bytes.len) {
		say_get_policies(agent);
		return true;
	}
	EVP_DigestFinal_ex(agent->digest, hash, NULL);
	EVP_MD_CTX_free(agent->digest);
	agent->digest = NULL;
	if (agent->offset != piece.size || memcmp(hash, agent->wanted.hash, sizeof hash))
		load_error(agent->load, "policy: bytes and hash differ");
	else
		policy_taken(agent);
	return true;
}

static void heard_acknowledged(struct load_agent *agent)
{
	struct load *load = agent->load;
	load->counts.policies_taken++;
	if (load->options.wait_policy && agent->policy.generation >= load->options.wait_policy &&
	    load->policy_missing) {
		load->policy_missing--;
		load->counts.last_taken_us = sense_clock_us();
	}
}

/* Once for all that is under way: longer and longer, and one batch at a time. */
static void back_off(struct load_agent *agent, double pause)
{
	if (agent->back)
		return;
	agent->back = true;
	agent->window = 1;
	agent->hold = now_of(agent) + load_pause(pause, ++agent->refusals, REFUSED_MAX_S);
}

static void heard_error(struct load_agent *agent, const struct load_call *call,
                        const struct sense_message_error *error)
{
	struct load *load = agent->load;
	load_error(load, error->code);
	if (!strcmp(error->code, "revoked") || !strcmp(error->code, "denied") ||
	    call->kind == LOAD_CALL_REGISTER) {
		bool refused = strcmp(error->code, "busy") && strcmp(error->code, "internal");
		load_disconnect(agent, "hung up: refused");
		if (refused)
			agent->state = LOAD_REFUSED;
		return;
	}
	if (call->kind == LOAD_CALL_POLICY)
		agent->fetching = false;
	if (call->kind != LOAD_CALL_BATCH)
		return;
	if (strcmp(error->code, "gap")) {
		back_off(agent, (error->retry ? error->retry : 1000) / 1e3);
		return;
	}
	agent->back = true;
	if (error->through < load->state->spools[agent->index].acknowledged)
		load->counts.went_back++;
	through_take(agent, error->through);
}

static bool heard_answer(struct load_agent *agent, const struct sense_rpc_message *message, const char **why)
{
	struct sense_message_beat beat;
	struct sense_message_error error;
	unsigned at = 0;
	while (at < agent->call_count && agent->calls[at].id != message->id)
		at++;
	*why = "answers what was not asked";
	if (at == agent->call_count)
		return false;
	struct load_call call = agent->calls[at];
	agent->calls[at] = agent->calls[--agent->call_count];
	if (call.kind == LOAD_CALL_BATCH)
		agent->batches--;
	if (message->error) {
		if (!sense_message_get_error(message->error, message->error_len, storage, &error, why))
			return false;
		heard_error(agent, &call, &error);
		return true;
	}
	switch (call.kind) {
	case LOAD_CALL_REGISTER:
		return heard_registered(agent, message, why);
	case LOAD_CALL_BATCH:
		return heard_reported(agent, &call, message, why);
	case LOAD_CALL_POLICY:
		return heard_policies(agent, message, why);
	case LOAD_CALL_BEAT:
		load_histogram_add(&agent->load->counts.beat, (uint64_t)((ev_time() - call.sent) * 1e6));
		if (!sense_message_get_beat(message->body, message->body_len, storage, &beat, why))
			return false;
		policy_want(agent, &beat.policy);
		return true;
	case LOAD_CALL_ACKNOWLEDGE:
		heard_acknowledged(agent);
		return true;
	}
	return false;
}

static bool heard(struct load_agent *agent, const uint8_t *data, size_t len, const char **why)
{
	struct sense_rpc_message message;
	struct sense_message_policy policy;
	if (len > sizeof storage / 2 || !sense_rpc_parse(data, len, &message, why))
		return false;
	if (message.kind == SENSE_RPC_RESPONSE)
		return heard_answer(agent, &message, why);
	if (message.kind == SENSE_RPC_NOTIFICATION && sense_wire_is(&message.method, SENSE_NOTIFY_POLICY)) {
		if (!sense_message_get_policy(message.body, message.body_len, storage, &policy, why))
			return false;
		if (agent->state == LOAD_READY)
			policy_want(agent, &policy);
	}
	return true;
}

bool load_agent_hear(struct load_agent *agent)
{
	struct load_bytes *in = &agent->in;
	const char *why = "is no message";
	while (in->begin + agent->scanned < in->len) {
		size_t used, begin = in->begin + agent->scanned;
		enum sense_rpc_scan found =
		    sense_rpc_scan(&agent->scanner, in->data + begin, in->len - begin, &used);
		agent->scanned += used;
		if (found == SENSE_RPC_MORE)
			break;
		size_t len = agent->scanned;
		agent->scanned = 0;
		if (found == SENSE_RPC_BROKEN || !heard(agent, in->data + in->begin, len, &why)) {
			fprintf(stderr, "sense-load: a message of the server: %s\n", why);
			load_disconnect(agent, "not understood");
		}
		if (agent->state != LOAD_READY && agent->state != LOAD_REGISTERS)
			return false;
		in->begin += len;
	}
	if (in->begin == in->len) {
		free(in->data);
		*in = (struct load_bytes){0};
	}
	load_agent_send(agent, now_of(agent));
	if (agent->fd >= 0)
		load_flush(agent);
	return agent->fd >= 0;
}

/* ---- begin, time, end ---------------------------------------------------------------------------------- */

void load_agent_begin(struct load_agent *agent)
{
	sense_rpc_scan_init(&agent->scanner, SENSE_RPC_MESSAGE_MAX);
	agent->scanned = 0;
	say_register(agent);
	load_flush(agent);
}

static bool is_late(const struct load_agent *agent, double now)
{
	double limit = now - agent->load->options.timeout;
	for (unsigned i = 0; i < agent->call_count; i++)
		if (agent->calls[i].sent < limit)
			return true;
	return agent->state != LOAD_READY && agent->connected < limit;
}

void load_agent_time(struct load_agent *agent, double now)
{
	if (agent->state == LOAD_WAITS || agent->state == LOAD_REFUSED)
		return;
	if (is_late(agent, now)) {
		load_disconnect(agent, "no answer in time");
		return;
	}
	if (agent->state != LOAD_READY)
		return;
	if (agent->beat_every > 0 && now >= agent->beat_due && agent->call_count < LOAD_CALLS_MAX - 4) {
		agent->beat_due = now + agent->beat_every * (0.9 + 0.2 * (double)random() / RAND_MAX);
		say_beat(agent);
		load_flush(agent);
	}
	if (agent->state == LOAD_READY && !agent->fetching &&
	    agent->wanted.generation > agent->policy.generation) {
		agent->offset = 0;
		say_get_policies(agent);
		load_flush(agent);
	}
	load_agent_send(agent, now);
}

void load_agent_end(struct load_agent *agent)
{
	agent->call_count = agent->batches = 0;
	agent->back = agent->fetching = false;
	agent->hold = 0;
	agent->wanted = agent->policy;
	EVP_MD_CTX_free(agent->digest);
	agent->digest = NULL;
}
