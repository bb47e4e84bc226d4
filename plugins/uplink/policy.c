/* Policies in pieces, and commands: read here, and handed to the supervisor, which decides. */

#include "uplink.h"

#define PIECE_MAX (SENSE_UPLINK_MESSAGE_MAX - sizeof(struct sense_uplink_head) - 16)
#define COMMAND_MAX 16384u

void policy_seen(struct uplink *u, const struct sense_message_policy *policy)
{
	if (policy->generation && u->phase == PHASE_SESSION)
		tell(u, SENSE_UPLINK_POLICY, 0, policy->generation, policy->hash, sizeof policy->hash);
}

static void ask(struct uplink *u)
{
	struct sense_wire_writer writer;
	struct call *call = call_begin(u, SENSE_METHOD_POLICIES, 64, &writer);
	if (!call)
		return;
	const struct sense_message_get_policies wanted = {.generation = u->fetch.generation,
	                                                  .offset = u->fetch.offset};
	sense_message_put_get_policies(&writer, &wanted);
	call->what = CALL_POLICIES;
	call_end(u, call, &writer);
}

void policy_fetch(struct uplink *u, uint64_t generation, uint64_t offset)
{
	bool under_way = u->fetch.wanted;
	if (u->phase != PHASE_SESSION)
		return;
	u->fetch =
	    (struct fetch){.wanted = true, .again = under_way, .generation = generation, .offset = offset};
	if (!under_way)
		ask(u);
}

static void pieces_tell(struct uplink *u, const struct sense_message_policies *policies)
{
	uint8_t message[SENSE_UPLINK_MESSAGE_MAX];
	for (size_t at = 0; at < policies->bytes.len;) {
		uint64_t offset = policies->offset + at, size = policies->size;
		size_t len = policies->bytes.len - at < PIECE_MAX ? policies->bytes.len - at : PIECE_MAX;
		memcpy(message, &offset, sizeof offset);
		memcpy(message + sizeof offset, &size, sizeof size);
		memcpy(message + 16, policies->bytes.data + at, len);
		tell(u, SENSE_UPLINK_PIECE, 0, policies->policy.generation, message, 16 + len);
		at += len;
	}
}

static void manifest_tell(struct uplink *u, const struct sense_message_policies *policies)
{
	uint8_t message[SENSE_UPLINK_MESSAGE_MAX];
	if (policies->signature.len != 64 || policies->manifest.len > PIECE_MAX - 64)
		return; /* the supervisor waits for one in vain, and asks again */
	memcpy(message, policies->signature.data, 64);
	memcpy(message + 64, policies->manifest.data, policies->manifest.len);
	tell(u, SENSE_UPLINK_MANIFEST, 0, policies->policy.generation, message, 64 + policies->manifest.len);
}

void policy_answer(struct uplink *u, const struct sense_rpc_message *message)
{
	struct sense_message_policies policies;
	const char *why;
	if (message->error) {
		u->fetch.wanted = false; /* the next beat says what there is */
		return;
	}
	if (!sense_message_get_policies(message->body, message->body_len, u->storage, &policies, &why)) {
		lost(u, false, "the server's policies cannot be read: %s", why);
		return;
	}
	if (u->fetch.again) { /* another one was asked for meanwhile */
		u->fetch.again = false;
		ask(u);
		return;
	}
	if (policies.policy.generation != u->fetch.generation || policies.offset != u->fetch.offset) {
		u->fetch.wanted = false;
		return;
	}
	if (!policies.offset)
		manifest_tell(u, &policies);
	pieces_tell(u, &policies);
	u->fetch.offset += policies.bytes.len;
	u->fetch.wanted = policies.bytes.len && u->fetch.offset < policies.size;
	if (u->fetch.wanted)
		ask(u);
}

/* ---- commands --------------------------------------------------------------------------------------- */

void commands_ask(struct uplink *u)
{
	struct sense_wire_writer writer;
	for (unsigned i = 0; i < CALLS_MAX; i++)
		if (u->calls[i].used && u->calls[i].what == CALL_COMMANDS)
			return;
	struct call *call = call_begin(u, SENSE_METHOD_COMMANDS, 16, &writer);
	if (!call)
		return;
	sense_message_put_nothing(&writer);
	call->what = CALL_COMMANDS;
	call_end(u, call, &writer);
}

static bool text_add(char *out, size_t *len, const char *text)
{
	size_t more = strlen(text) + 1;
	if (more > COMMAND_MAX - *len)
		return false;
	memcpy(out + *len, text, more);
	*len += more;
	return true;
}

void commands_answer(struct uplink *u, const struct sense_rpc_message *message)
{
	struct sense_message_commands commands;
	const char *why;
	char text[COMMAND_MAX];
	if (message->error)
		return;
	if (!sense_message_get_commands(message->body, message->body_len, u->storage, &commands, &why)) {
		lost(u, false, "the server's commands cannot be read: %s", why);
		return;
	}
	for (unsigned i = 0; i < commands.count; i++) {
		const struct sense_message_command *command = &commands.commands[i];
		size_t len = 0;
		bool fits = text_add(text, &len, command->id) && text_add(text, &len, command->name);
		for (unsigned k = 0; k < command->argument_count; k++)
			fits = fits && text_add(text, &len, command->arguments[k].name) &&
			       text_add(text, &len, command->arguments[k].value);
		if (fits)
			tell(u, SENSE_UPLINK_COMMAND, 0, command->expires, text, len);
	}
}
