/*
 * What agent and server say to each other: parameters and results of each method of proto/rpc.h, as plain structs and
 * as the maps that stand for them on the wire. proto/SCHEMA.md documents each member.
 *
 * Decoders take any bytes: counts and lengths are bounded as below, unknown keys are skipped, strings are UTF-8 without
 * NUL and are copied into `storage`, which must be as large as the input plus SENSE_MESSAGE_STORAGE_EXTRA. What has a
 * variable count is walked with a reader instead of being copied into arrays. False: *why says what is wrong.
 *
 * Encoders cut texts that are too long. What a decoder would refuse for another reason (a count above its bound, a
 * text that must be there and is NULL, a status that is not known) marks the writer as full: it must not be sent.
 */
#ifndef SENSE_PROTO_MESSAGE_H
#define SENSE_PROTO_MESSAGE_H

#include "proto/wire.h"

#define SENSE_MESSAGE_STORAGE_EXTRA 64u
#define SENSE_MESSAGE_NAME_MAX 255u      /* bytes of a name, an id, a version */
#define SENSE_MESSAGE_TEXT_MAX 4096u     /* of a text for people, of an argument's value */
#define SENSE_MESSAGE_RULE_TEXT_MAX 512u /* of a rule's message: 5000 of them fit into one message */
#define SENSE_MESSAGE_HASH 32u
#define SENSE_MESSAGE_SIGNATURE 64u
#define SENSE_MESSAGE_FINDINGS_MAX 1000u
#define SENSE_MESSAGE_COUNTERS_MAX 64u
#define SENSE_MESSAGE_GAPS_MAX 16u
#define SENSE_MESSAGE_RULES_MAX 5000u
#define SENSE_MESSAGE_COMMANDS_MAX 16u
#define SENSE_MESSAGE_ARGUMENTS_MAX 16u
#define SENSE_MESSAGE_CHAIN_MAX 4u
#define SENSE_MESSAGE_DER_MAX ((size_t)16 << 10)      /* bytes of a certificate, or of a request for one */
#define SENSE_MESSAGE_MANIFEST_MAX ((size_t)64 << 10) /* bytes of what is signed for a policy bundle */
#define SENSE_MESSAGE_PIECE_MAX ((size_t)256 << 10)   /* bytes of a policy bundle, or of a command's output */

#define SENSE_METHOD_REGISTER "RegisterAgent"
#define SENSE_METHOD_HEARTBEAT "Heartbeat"
#define SENSE_METHOD_FINDINGS "ReportFindings"
#define SENSE_METHOD_POLICIES "GetPolicies"
#define SENSE_METHOD_ACKNOWLEDGE "AcknowledgePolicy"
#define SENSE_METHOD_COMMANDS "GetCommands"
#define SENSE_METHOD_RESULT "CommandResult"
#define SENSE_METHOD_RENEW "RenewCertificate"
#define SENSE_NOTIFY_POLICY "PolicyChanged"
#define SENSE_NOTIFY_COMMAND "CommandReady"

/* A span of bytes within the input of a decoder. NULL: it was not there. */
struct sense_message_bytes {
	const uint8_t *data;
	size_t len;
};

/* Which policies: a generation (it only grows) and the SHA-256 of their bundle. */
struct sense_message_policy {
	uint64_t generation; /* 0: none */
	uint8_t hash[SENSE_MESSAGE_HASH];
};

struct sense_message_register {
	const char *version, *host, *os, *kernel, *arch;
	struct sense_message_policy policy;
};

struct sense_message_registered {
	const char *agent, *organization; /* UUIDs */
	uint64_t time;                    /* microseconds since the epoch */
	uint32_t heartbeat;               /* seconds between two */
	uint64_t through;                 /* the last finding that is kept: its sequence */
	uint32_t batch_rows, batch_bytes; /* at most, in one batch */
	struct sense_message_policy policy;
};

struct sense_message_counter {
	const char *name;
	uint64_t value;
};

struct sense_message_heartbeat {
	uint64_t time;   /* microseconds since the epoch, by the agent's clock */
	uint64_t uptime; /* seconds */
	struct sense_message_policy policy;
	uint32_t rules, rules_failing, rules_quarantined;
	unsigned counter_count;
	struct sense_message_counter counters[SENSE_MESSAGE_COUNTERS_MAX];
	unsigned gap_count;
	const char *gaps[SENSE_MESSAGE_GAPS_MAX];
};

struct sense_message_beat { /* the answer */
	uint64_t time;
	struct sense_message_policy policy;
	uint32_t commands; /* that wait */
};

/* Findings: `after`, then each by sense_message_finding_next. */
struct sense_message_findings {
	uint64_t after; /* the sequence before the first of these, as the agent sent them */
	uint32_t count;
	struct sense_wire_reader reader; /* at the next one */
	uint64_t last;                   /* the sequence of the one before it */
};

struct sense_message_finding {
	uint64_t sequence;
	struct sense_message_bytes finding; /* as proto/finding.h has it, or whatever the agent sent */
};

struct sense_message_reported {
	uint64_t through;
	uint32_t refused; /* findings of the batch that could not be read, and were set aside */
};

struct sense_message_get_policies {
	uint64_t generation; /* of the bundle that is wanted */
	uint64_t offset;
};

struct sense_message_policies {
	struct sense_message_policy policy;
	struct sense_message_bytes manifest;  /* what is signed: proto/manifest.h */
	struct sense_message_bytes signature; /* Ed25519 (RFC 8032), 64 bytes */
	uint64_t size, offset;
	struct sense_message_bytes bytes;
};

/* What became of policies: then each rule by sense_message_rule_next. */
struct sense_message_acknowledge {
	struct sense_message_policy policy;
	bool loaded;
	const char *problem;
	uint32_t count;
	struct sense_wire_reader reader;
};

struct sense_message_rule {
	const char *id, *state, *message; /* state: loaded, failed, quarantined */
};

struct sense_message_command {
	const char *id, *name;
	uint64_t expires; /* microseconds since the epoch */
	unsigned argument_count;
	struct {
		const char *name, *value;
	} arguments[SENSE_MESSAGE_ARGUMENTS_MAX];
};

struct sense_message_commands {
	unsigned count;
	struct sense_message_command commands[SENSE_MESSAGE_COMMANDS_MAX];
};

struct sense_message_result {
	const char *id, *status, *detail; /* status: done, failed, refused, expired */
	struct sense_message_bytes output;
};

struct sense_message_renewed {
	struct sense_message_bytes certificate; /* DER */
	unsigned chain_count;
	struct sense_message_bytes chain[SENSE_MESSAGE_CHAIN_MAX];
	uint64_t expires; /* microseconds since the epoch */
};

struct sense_message_error {
	const char *code; /* invalid, unknown_method, gap, busy, revoked, denied, too_large, internal */
	const char *message;
	uint32_t retry;   /* milliseconds; 0: not said */
	uint64_t through; /* of `gap` */
};

/* ---- each one's codec: `put` writes the map, `get` reads one ---------------------------------------------------- */

#define SENSE_MESSAGE_CODEC(name)                                                     \
	void sense_message_put_##name(struct sense_wire_writer *writer,               \
	                              const struct sense_message_##name *message);    \
	bool sense_message_get_##name(const uint8_t *data, size_t len, char *storage, \
	                              struct sense_message_##name *message, const char **why);

SENSE_MESSAGE_CODEC(register)
SENSE_MESSAGE_CODEC(registered)
SENSE_MESSAGE_CODEC(heartbeat)
SENSE_MESSAGE_CODEC(beat)
SENSE_MESSAGE_CODEC(reported)
SENSE_MESSAGE_CODEC(get_policies)
SENSE_MESSAGE_CODEC(policies)
SENSE_MESSAGE_CODEC(commands)
SENSE_MESSAGE_CODEC(result)
SENSE_MESSAGE_CODEC(renewed)
SENSE_MESSAGE_CODEC(policy) /* PolicyChanged */
SENSE_MESSAGE_CODEC(error)
#undef SENSE_MESSAGE_CODEC

/* A map without members, as GetCommands, CommandReady and some results are. */
void sense_message_put_nothing(struct sense_wire_writer *writer);
/* RenewCertificate's parameters: a request of PKCS#10 (RFC 2986), DER. */
void sense_message_put_renew(struct sense_wire_writer *writer, const uint8_t *request, size_t len);
bool sense_message_get_renew(const uint8_t *data, size_t len, struct sense_message_bytes *request,
                             const char **why);

/* ReportFindings: the head, then as many findings as it says. */
void sense_message_put_findings(struct sense_wire_writer *writer, uint64_t after, uint32_t count);
void sense_message_put_finding(struct sense_wire_writer *writer, uint64_t sequence, const uint8_t *finding,
                               size_t len);
bool sense_message_get_findings(const uint8_t *data, size_t len, struct sense_message_findings *message,
                                const char **why);
/* False: that was the last, or (when reader.why is set) the rest is broken, or does not ascend. */
bool sense_message_finding_next(struct sense_message_findings *message, struct sense_message_finding *out);

/* AcknowledgePolicy: the head, then as many rules as it says. */
void sense_message_put_acknowledge(struct sense_wire_writer *writer,
                                   const struct sense_message_acknowledge *message);
void sense_message_put_rule(struct sense_wire_writer *writer, const struct sense_message_rule *rule);
bool sense_message_get_acknowledge(const uint8_t *data, size_t len, char *storage,
                                   struct sense_message_acknowledge *message, const char **why);
bool sense_message_rule_next(struct sense_message_acknowledge *message, struct sense_message_rule *out);

#endif
