/* A process: what the catalogue makes of it, and how it is told. */
#include <stdio.h>
#include <string.h>

#include "core/host/internal.h"
#include "core/names/command.h"

#define BRIEF_PATH 256u
#define BRIEF_COMMAND 512u
#define BRIEF_CWD 128u

static void text_put(struct sense_host_message *message, enum sense_field field, const char *text, size_t max)
{
	char cut[SENSE_HOST_TEXT_MAX + 1];
	size_t len = text ? strnlen(text, max < SENSE_HOST_TEXT_MAX ? max : SENSE_HOST_TEXT_MAX) : 0;
	memcpy(cut, text ? text : "", len);
	cut[len] = '\0';
	sense_host_message_text(message, field, cut);
}

void sense_process_put(struct sense_host_message *message, const struct sense_roster_process *process, bool brief)
{
	sense_host_message_number(message, SENSE_FIELD_PROCESS_PID, process->pid);
	if (process->parent)
		sense_host_message_number(message, SENSE_FIELD_PROCESS_PARENT_PID, process->parent);
	const struct {
		enum sense_field field;
		const char *text;
		size_t brief;
	} texts[] = {
	    {SENSE_FIELD_PROCESS_NAME, process->name, 64},
	    {SENSE_FIELD_USER, process->user, 64},
	    {SENSE_FIELD_TOOL, process->tool, 64},
	    {SENSE_FIELD_PROCESS_PATH, process->path, BRIEF_PATH},
	    {SENSE_FIELD_PROCESS_COMMAND, process->command, BRIEF_COMMAND},
	    {SENSE_FIELD_PROCESS_HASH, process->hash, 64},
	    {SENSE_FIELD_PROCESS_ANCESTORS, process->ancestors, 192},
	    {SENSE_FIELD_PROCESS_AGENT, process->agent, 64},
	    {SENSE_FIELD_PROCESS_UNATTENDED, process->unattended, 64},
	    {SENSE_FIELD_PROCESS_MARKERS, process->markers, 128},
	    {SENSE_FIELD_PROCESS_CONTAINER, process->container, 96},
	    {SENSE_FIELD_PROCESS_CWD, process->cwd, BRIEF_CWD},
	};
	for (size_t i = 0; i < sizeof texts / sizeof *texts; i++)
		text_put(message, texts[i].field, texts[i].text, brief ? texts[i].brief : SENSE_HOST_TEXT_MAX);
	/* The parent is the first of the ancestors. */
	const char *ancestors = process->ancestors ? process->ancestors : "";
	text_put(message, SENSE_FIELD_PROCESS_PARENT, ancestors, strcspn(ancestors, ","));
}

void sense_process_recognise(const sense_programs *programs, const struct sense_process *process,
                             struct sense_roster_process *out, struct sense_process_room *room)
{
	const struct sense_program_facts facts = {
	    .name = process->name,
	    .path = process->path,
	    .argv = process->argv,
	    .argv_len = process->argv_len,
	    .environment = process->environment,
	    .environment_len = process->environment_len,
	};
	room->command[0] = room->markers[0] = '\0';
	if (process->argv)
		sense_command_line(process->argv, process->argv_len, room->command, sizeof room->command);
	out->command = room->command;
	out->markers = room->markers;
	const struct sense_program *program = programs ? sense_programs_find(programs, &facts) : NULL;
	if (programs && process->environment)
		sense_programs_markers(programs, process->environment, process->environment_len, room->markers,
		                       sizeof room->markers);
	if (!program)
		return;
	out->tool = program->id;
	out->unattended = sense_programs_unattended(programs, program, &facts);
}
