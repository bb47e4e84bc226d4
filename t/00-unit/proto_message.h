/* One sample of every message, and every decoder behind one face. */
#ifndef SENSE_T_PROTO_MESSAGE_H
#define SENSE_T_PROTO_MESSAGE_H

#include <stdlib.h>

#include "proto/message.h"
#include "proto/rpc.h"

/* ---- decoding and encoding again ----------------------------------------------------------------------- */

/* What is left of data when it was read and is written again. False: it is refused, *why says what is wrong.
 */
typedef bool proto_again(const uint8_t *data, size_t len, struct sense_wire_writer *writer, const char **why);

/* Storage of exactly the promised size on the heap, so that a sanitizer sees the first byte too many. */
static inline char *proto_storage(size_t len)
{
	return malloc(len + SENSE_MESSAGE_STORAGE_EXTRA);
}

#define PROTO_AGAIN(name)                                                                         \
	static inline bool proto_again_##name(const uint8_t *data, size_t len,                    \
	                                      struct sense_wire_writer *writer, const char **why) \
	{                                                                                         \
		struct sense_message_##name message;                                              \
		char *storage = proto_storage(len);                                               \
		bool good = sense_message_get_##name(data, len, storage, &message, why);          \
		if (good)                                                                         \
			sense_message_put_##name(writer, &message);                               \
		free(storage);                                                                    \
		return good;                                                                      \
	}
PROTO_AGAIN(register)
PROTO_AGAIN(registered)
PROTO_AGAIN(heartbeat)
PROTO_AGAIN(beat)
PROTO_AGAIN(reported)
PROTO_AGAIN(get_policies)
PROTO_AGAIN(policies)
PROTO_AGAIN(commands)
PROTO_AGAIN(result)
PROTO_AGAIN(renewed)
PROTO_AGAIN(policy)
PROTO_AGAIN(error)
#undef PROTO_AGAIN

static inline bool proto_again_renew(const uint8_t *data, size_t len, struct sense_wire_writer *writer,
                                     const char **why)
{
	struct sense_message_bytes request;
	if (!sense_message_get_renew(data, len, &request, why))
		return false;
	sense_message_put_renew(writer, request.data, request.len);
	return true;
}

static inline bool proto_again_findings(const uint8_t *data, size_t len, struct sense_wire_writer *writer,
                                        const char **why)
{
	struct sense_message_findings message;
	struct sense_message_finding finding;

	if (!sense_message_get_findings(data, len, &message, why))
		return false;
	sense_message_put_findings(writer, message.after, message.count);
	while (sense_message_finding_next(&message, &finding))
		sense_message_put_finding(writer, finding.sequence, finding.finding.data,
		                          finding.finding.len);
	*why = message.reader.why;
	return !*why;
}

static inline bool proto_again_acknowledge(const uint8_t *data, size_t len, struct sense_wire_writer *writer,
                                           const char **why)
{
	struct sense_message_acknowledge message;
	struct sense_message_rule rule;
	char *storage = proto_storage(len);

	bool good = sense_message_get_acknowledge(data, len, storage, &message, why);
	if (good) {
		sense_message_put_acknowledge(writer, &message);
		while (sense_message_rule_next(&message, &rule))
			sense_message_put_rule(writer, &rule);
		*why = message.reader.why;
		good = !*why;
	}
	free(storage);
	return good;
}

/* ---- samples ------------------------------------------------------------------------------------------- */

#define PROTO_AGENT "0197c3a4-5d1e-7b2f-8c3d-4e5f60718293"
#define PROTO_ORGANIZATION "0197c3a4-0000-7000-8000-00000000000a"
#define PROTO_POLICY                                                          \
	{                                                                     \
		.generation = 7, .hash = { 0xde, 0xad, 0xbe, 0xef, [31] = 1 } \
	}
#define PROTO_BYTES(text)                                 \
	{                                                 \
		(const uint8_t *)(text), sizeof(text) - 1 \
	}

static inline void proto_put_register(struct sense_wire_writer *writer)
{
	static const struct sense_message_register message = {.version = "0.3.0",
	                                                      .host = "b\xc3\xbcro-7",
	                                                      .os = "Debian GNU/Linux 12 (bookworm)",
	                                                      .kernel = "6.1.0-18-amd64",
	                                                      .arch = "x86_64",
	                                                      .policy = PROTO_POLICY};
	sense_message_put_register(writer, &message);
}

static inline void proto_put_register_bare(struct sense_wire_writer *writer)
{
	static const struct sense_message_register message = {.version = "0.3.0", .host = "h", .os = "Linux"};
	sense_message_put_register(writer, &message);
}

static inline void proto_put_registered(struct sense_wire_writer *writer)
{
	static const struct sense_message_registered message = {.agent = PROTO_AGENT,
	                                                        .organization = PROTO_ORGANIZATION,
	                                                        .time = UINT64_C(1770000000123456),
	                                                        .heartbeat = 30,
	                                                        .through = UINT64_MAX,
	                                                        .batch_rows = 1000,
	                                                        .batch_bytes = 1048576,
	                                                        .policy = PROTO_POLICY};
	sense_message_put_registered(writer, &message);
}

static inline void proto_put_heartbeat(struct sense_wire_writer *writer)
{
	static const struct sense_message_heartbeat message = {
	    .time = UINT64_C(1770000030000001),
	    .uptime = 86400,
	    .policy = PROTO_POLICY,
	    .rules = 212,
	    .rules_failing = 1,
	    .rules_quarantined = 2,
	    .counter_count = 3,
	    .counters = {{"packets", UINT64_C(9007199254740993)}, {"dropped", 0}, {"findings", 65536}},
	    .gap_count = 2,
	    .gaps = {"capture: eth0 is down", "\xe2\x82\xac"}};
	sense_message_put_heartbeat(writer, &message);
}

static inline void proto_put_beat(struct sense_wire_writer *writer)
{
	static const struct sense_message_beat message = {
	    .time = UINT64_C(1770000030000500), .policy = PROTO_POLICY, .commands = 1};
	sense_message_put_beat(writer, &message);
}

static inline void proto_put_findings(struct sense_wire_writer *writer)
{
	sense_message_put_findings(writer, 41, 3);
	sense_message_put_finding(writer, 42, (const uint8_t *)"\x80", 1);
	sense_message_put_finding(writer, 43, (const uint8_t *)"", 0);
	sense_message_put_finding(writer, UINT64_C(1) << 40, (const uint8_t *)"\x81\xa1z\xc0", 4);
}

static inline void proto_put_reported(struct sense_wire_writer *writer)
{
	static const struct sense_message_reported message = {.through = UINT64_C(1) << 40, .refused = 2};
	sense_message_put_reported(writer, &message);
}

static inline void proto_put_get_policies(struct sense_wire_writer *writer)
{
	static const struct sense_message_get_policies message = {.generation = 7, .offset = 262144};
	sense_message_put_get_policies(writer, &message);
}

static inline void proto_put_policies(struct sense_wire_writer *writer)
{
	static const uint8_t signature[SENSE_MESSAGE_SIGNATURE] = {1, 2, 3, [63] = 0xff};
	static const struct sense_message_policies message = {.policy = PROTO_POLICY,
	                                                      .manifest = PROTO_BYTES("\x81\xa6"
	                                                                              "format\x01"),
	                                                      .signature = {signature, sizeof(signature)},
	                                                      .size = 262149,
	                                                      .offset = 262144,
	                                                      .bytes = PROTO_BYTES("local")};
	sense_message_put_policies(writer, &message);
}

static inline void proto_put_acknowledge(struct sense_wire_writer *writer)
{
	static const struct sense_message_acknowledge message = {.policy = PROTO_POLICY,
	                                                         .loaded = true,
	                                                         .problem =
	                                                             "chat.lua:3: unknown field 'hots'",
	                                                         .count = 3};
	sense_message_put_acknowledge(writer, &message);
	sense_message_put_rule(writer, &(struct sense_message_rule){"ai.chat", "loaded", NULL});
	sense_message_put_rule(writer,
	                       &(struct sense_message_rule){"ai.upload", "failed", "no field 'hots'"});
	sense_message_put_rule(writer, &(struct sense_message_rule){"slow", "quarantined", "took 60 ms"});
}

static inline void proto_put_commands(struct sense_wire_writer *writer)
{
	static const struct sense_message_commands message = {
	    .count = 2,
	    .commands = {{.id = "c-1", .name = "scan", .expires = UINT64_C(1770000100000000)},
	                 {.id = "c-2",
	                  .name = "block",
	                  .expires = UINT64_MAX,
	                  .argument_count = 2,
	                  .arguments = {{"host", "chat.example"}, {"for", "1h"}}}}};
	sense_message_put_commands(writer, &message);
}

static inline void proto_put_result(struct sense_wire_writer *writer)
{
	static const struct sense_message_result message = {.id = "c-2",
	                                                    .status = "refused",
	                                                    .detail = "not allowed here",
	                                                    .output = PROTO_BYTES("\0\1\xff")};
	sense_message_put_result(writer, &message);
}

static inline void proto_put_renew(struct sense_wire_writer *writer)
{
	sense_message_put_renew(writer, (const uint8_t *)"\x30\x03\x02\x01\x00", 5);
}

static inline void proto_put_renewed(struct sense_wire_writer *writer)
{
	static const struct sense_message_renewed message = {
	    .certificate = PROTO_BYTES("\x30\x01\x00"),
	    .chain_count = 2,
	    .chain = {PROTO_BYTES("\x30\x01\x01"), PROTO_BYTES("\x30\x01\x02")},
	    .expires = UINT64_C(1777776000000000)};
	sense_message_put_renewed(writer, &message);
}

static inline void proto_put_policy(struct sense_wire_writer *writer)
{
	static const struct sense_message_policy message = PROTO_POLICY;
	sense_message_put_policy(writer, &message);
}

static inline void proto_put_error(struct sense_wire_writer *writer)
{
	static const struct sense_message_error message = {
	    .code = "gap", .message = "findings 40 and before are not here", .through = 39};
	sense_message_put_error(writer, &message);
}

static inline void proto_put_busy(struct sense_wire_writer *writer)
{
	static const struct sense_message_error message = {
	    .code = "busy", .message = "the database is away", .retry = 1500};
	sense_message_put_error(writer, &message);
}

struct proto_sample {
	const char *name;
	enum sense_rpc_kind kind;
	const char *method; /* of which it is the parameters or the result; NULL: an error */
	void (*put)(struct sense_wire_writer *writer);
	proto_again *again; /* NULL: a map without members */
};

static const struct proto_sample proto_samples[] = {
    {"register", SENSE_RPC_REQUEST, SENSE_METHOD_REGISTER, proto_put_register, proto_again_register},
    {"register_bare", SENSE_RPC_REQUEST, SENSE_METHOD_REGISTER, proto_put_register_bare,
     proto_again_register},
    {"registered", SENSE_RPC_RESPONSE, SENSE_METHOD_REGISTER, proto_put_registered, proto_again_registered},
    {"heartbeat", SENSE_RPC_REQUEST, SENSE_METHOD_HEARTBEAT, proto_put_heartbeat, proto_again_heartbeat},
    {"beat", SENSE_RPC_RESPONSE, SENSE_METHOD_HEARTBEAT, proto_put_beat, proto_again_beat},
    {"findings", SENSE_RPC_REQUEST, SENSE_METHOD_FINDINGS, proto_put_findings, proto_again_findings},
    {"reported", SENSE_RPC_RESPONSE, SENSE_METHOD_FINDINGS, proto_put_reported, proto_again_reported},
    {"get_policies", SENSE_RPC_REQUEST, SENSE_METHOD_POLICIES, proto_put_get_policies,
     proto_again_get_policies},
    {"policies", SENSE_RPC_RESPONSE, SENSE_METHOD_POLICIES, proto_put_policies, proto_again_policies},
    {"acknowledge", SENSE_RPC_REQUEST, SENSE_METHOD_ACKNOWLEDGE, proto_put_acknowledge,
     proto_again_acknowledge},
    {"acknowledged", SENSE_RPC_RESPONSE, SENSE_METHOD_ACKNOWLEDGE, sense_message_put_nothing, NULL},
    {"get_commands", SENSE_RPC_REQUEST, SENSE_METHOD_COMMANDS, sense_message_put_nothing, NULL},
    {"commands", SENSE_RPC_RESPONSE, SENSE_METHOD_COMMANDS, proto_put_commands, proto_again_commands},
    {"result", SENSE_RPC_REQUEST, SENSE_METHOD_RESULT, proto_put_result, proto_again_result},
    {"renew", SENSE_RPC_REQUEST, SENSE_METHOD_RENEW, proto_put_renew, proto_again_renew},
    {"renewed", SENSE_RPC_RESPONSE, SENSE_METHOD_RENEW, proto_put_renewed, proto_again_renewed},
    {"policy_changed", SENSE_RPC_NOTIFICATION, SENSE_NOTIFY_POLICY, proto_put_policy, proto_again_policy},
    {"command_ready", SENSE_RPC_NOTIFICATION, SENSE_NOTIFY_COMMAND, sense_message_put_nothing, NULL},
    {"error_gap", SENSE_RPC_RESPONSE, NULL, proto_put_error, proto_again_error},
    {"error_busy", SENSE_RPC_RESPONSE, NULL, proto_put_busy, proto_again_error},
};
#define PROTO_SAMPLES (sizeof(proto_samples) / sizeof(*proto_samples))

#endif
