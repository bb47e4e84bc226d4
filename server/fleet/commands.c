/* GetCommands and CommandResult. */
#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "server/fleet/internal.h"

enum { ANSWER_MAX = 256 * 1024 };

static const struct sense_db_statement takes = {
    "commands_take", "SELECT command, what, with_arguments, expires_us FROM sense.commands_take($1, $2, $3)"};
static const struct sense_db_statement ends = {"command_end",
                                               "SELECT sense.command_end($1, $2, $3, $4, $5, $6)"};

/* ---- GetCommands ------------------------------------------------------------------------------------------- */

/* `arguments` owns the texts. What is no text is left out: whoever gave the command was told. */
static void arguments_fill(struct sense_message_command *command, json_t *arguments)
{
	const char *name;
	json_t *value;
	json_object_foreach(arguments, name, value)
	{
		if (command->argument_count == SENSE_MESSAGE_ARGUMENTS_MAX)
			break;
		if (!json_is_string(value))
			continue;
		command->arguments[command->argument_count].name = name;
		command->arguments[command->argument_count++].value = json_string_value(value);
	}
}

static void taken(void *self, const struct sense_db_result *result)
{
	struct sense_agents_ask *ask = self;
	json_t *arguments[SENSE_MESSAGE_COMMANDS_MAX] = {0};
	struct sense_message_commands message = {0};
	struct sense_wire_writer writer = {.data = malloc(ANSWER_MAX), .cap = ANSWER_MAX};
	if (result->outcome != SENSE_DB_DONE) {
		free(writer.data);
		sense_agents_row(ask, result, "internal", "");
		return;
	}
	for (unsigned i = 0; i < result->rows && i < SENSE_MESSAGE_COMMANDS_MAX; i++) {
		struct sense_message_command *command = &message.commands[message.count++];
		command->id = sense_db_value(result, i, 0);
		command->name = sense_db_value(result, i, 1);
		command->expires = sense_db_uint(result, i, 3);
		const char *text = sense_db_value(result, i, 2);
		arguments[i] = json_loads(text ? text : "{}", 0, NULL);
		arguments_fill(command, arguments[i]);
	}
	writer.full = !writer.data;
	if (writer.data)
		sense_message_put_commands(&writer, &message);
	sense_agents_answer(ask, &writer);
	for (unsigned i = 0; i < SENSE_MESSAGE_COMMANDS_MAX; i++)
		json_decref(arguments[i]);
	free(writer.data);
}

void sense_agents_serve_commands(void *self, sense_calls *calls, struct sense_call_ref ref,
                                 const struct sense_peer *peer, const uint8_t *params, size_t len)
{
	char most[16];
	struct sense_agents_ask *ask = sense_agents_ask_new(self, ref, peer);
	(void)calls;
	(void)params;
	(void)len;
	if (!ask)
		return;
	snprintf(most, sizeof most, "%u", SENSE_MESSAGE_COMMANDS_MAX);
	const struct sense_db_param asked[] = {SENSE_DB_TEXT(ask->org), SENSE_DB_TEXT(ask->agent),
	                                       SENSE_DB_TEXT(most)};
	sense_agents_ask(ask, &takes, asked, 3, taken);
}

/* ---- CommandResult ----------------------------------------------------------------------------------------- */

static void ended(void *self, const struct sense_db_result *result)
{
	struct sense_agents_ask *ask = self;
	uint8_t bytes[16];
	struct sense_wire_writer writer = {.data = bytes, .cap = sizeof bytes};
	if (!sense_agents_row(ask, result, "internal", "the result was not kept"))
		return;
	/* A result that came before, or is of no command of this agent, is answered alike: it is not to come again. */
	sense_message_put_nothing(&writer);
	sense_agents_answer(ask, &writer);
}

void sense_agents_serve_result(void *self, sense_calls *calls, struct sense_call_ref ref,
                               const struct sense_peer *peer, const uint8_t *params, size_t len)
{
	sense_agents *fleet = self;
	struct sense_message_result message;
	const char *why;
	(void)calls;
	if (!sense_message_get_result(params, len, fleet->storage, &message, &why)) {
		sense_agents_invalid(fleet, ref, why);
		return;
	}
	if (!sense_uuid_is(message.id)) {
		sense_agents_invalid(fleet, ref, "has an id that no command has");
		return;
	}
	struct sense_agents_ask *ask = sense_agents_ask_new(fleet, ref, peer);
	if (!ask)
		return;
	const struct sense_db_param asked[] = {
	    SENSE_DB_TEXT(ask->org),       SENSE_DB_TEXT(ask->agent),
	    SENSE_DB_TEXT(message.id),     SENSE_DB_TEXT(message.status),
	    SENSE_DB_TEXT(message.detail), SENSE_DB_BYTES(message.output.data, message.output.len),
	};
	sense_agents_ask(ask, &ends, asked, 6, ended);
}
