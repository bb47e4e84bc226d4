/* Commands: GetCommands and CommandResult. */
#include "proto/message_codec.h"

/* ---- GetCommands --------------------------------------------------------------------------------------- */

static void put_arguments(struct sense_wire_writer *writer, const void *record)
{
	const struct sense_message_command *command = record;

	if (command->argument_count > SENSE_MESSAGE_ARGUMENTS_MAX) {
		writer->full = true;
		return;
	}
	sense_wire_put_map(writer, command->argument_count);
	for (unsigned i = 0; i < command->argument_count; i++) {
		sense_codec_put_text(writer, command->arguments[i].name, SENSE_MESSAGE_NAME_MAX);
		sense_codec_put_text(writer, command->arguments[i].value, SENSE_MESSAGE_TEXT_MAX);
	}
}

static bool get_arguments(struct sense_wire_reader *reader, void *record)
{
	struct sense_message_command *command = record;
	uint32_t count;

	if (!sense_codec_get_count(reader, true, SENSE_MESSAGE_ARGUMENTS_MAX, &count))
		return false;
	command->argument_count = count;
	for (unsigned i = 0; i < count; i++)
		if (!sense_codec_get_text(reader, SENSE_MESSAGE_NAME_MAX, &command->arguments[i].name) ||
		    !sense_codec_get_text(reader, SENSE_MESSAGE_TEXT_MAX, &command->arguments[i].value))
			return false;
	return true;
}

#define MEMBER(member, kind) SENSE_CODEC_MEMBER(struct sense_message_command, #member, member, kind)
static const struct sense_codec_member command_members[] = {
    MEMBER(id, NAME),
    MEMBER(name, NAME),
    SENSE_CODEC_MEMBER_LIST("arguments", get_arguments, put_arguments),
    MEMBER(expires, U64),
};
#undef MEMBER
static const struct sense_codec command_codec = SENSE_CODEC(struct sense_message_command, command_members);

static void put_commands(struct sense_wire_writer *writer, const void *record)
{
	const struct sense_message_commands *message = record;

	if (message->count > SENSE_MESSAGE_COMMANDS_MAX) {
		writer->full = true;
		return;
	}
	sense_wire_put_array(writer, message->count);
	for (unsigned i = 0; i < message->count; i++)
		sense_codec_put(writer, &command_codec, &message->commands[i]);
}

static bool get_commands(struct sense_wire_reader *reader, void *record)
{
	struct sense_message_commands *message = record;
	uint32_t count;

	if (!sense_codec_get_count(reader, false, SENSE_MESSAGE_COMMANDS_MAX, &count))
		return false;
	message->count = count;
	for (unsigned i = 0; i < count; i++)
		if (!sense_codec_get(reader, &command_codec, &message->commands[i]))
			return false;
	return true;
}

static const struct sense_codec_member commands_members[] = {
    SENSE_CODEC_MEMBER_LIST("commands", get_commands, put_commands),
};
SENSE_CODEC_DEFINE(commands, commands_members)

/* ---- CommandResult ------------------------------------------------------------------------------------- */

static const char *const statuses[] = {"done", "failed", "refused", "expired", NULL};

#define MEMBER(member, kind, ...) \
	SENSE_CODEC_MEMBER(struct sense_message_result, #member, member, kind, __VA_ARGS__)
static const struct sense_codec_member result_members[] = {
    MEMBER(id, NAME),
    MEMBER(status, NAME),
    MEMBER(detail, TEXT, .optional = true),
    MEMBER(output, BYTES, .optional = true, .max = SENSE_MESSAGE_PIECE_MAX),
};
#undef MEMBER
static const struct sense_codec result_codec = SENSE_CODEC(struct sense_message_result, result_members);

void sense_message_put_result(struct sense_wire_writer *writer, const struct sense_message_result *message)
{
	if (!message->status || !sense_codec_one_of(message->status, statuses))
		writer->full = true;
	sense_codec_put(writer, &result_codec, message);
}

bool sense_message_get_result(const uint8_t *data, size_t len, char *storage,
                              struct sense_message_result *message, const char **why)
{
	if (!sense_codec_decode(&result_codec, data, len, storage, message, why))
		return false;
	if (sense_codec_one_of(message->status, statuses))
		return true;
	*why = "has a status that is not known";
	return false;
}
