/*
 * Commands of the server. Which there are is the supervisor's to say (sense_link_config.command). Each is carried out
 * once: one that comes again, since the server did not hear what came of it, is answered with what did.
 */
#include <stdio.h>
#include <string.h>

#include "core/base/clock.h"
#include "core/base/log.h"
#include "core/link/internal.h"

#define OUTPUT_MAX 60000u
#define LEVEL_MAX 16u

static bool copy(char *to, size_t cap, const char *text)
{
	size_t len = strlen(text);
	if (len >= cap)
		return false;
	memcpy(to, text, len + 1);
	return true;
}

/* Texts that each end with a NUL. False: it is not a command. */
static bool parse(const char *at, size_t len, struct sense_link_command *out, char id[SENSE_LINK_ID_MAX])
{
	const char *texts[2 + 2 * SENSE_MESSAGE_ARGUMENTS_MAX];
	unsigned count = 0;
	for (const char *end = at + len; at < end; at += strlen(at) + 1) {
		if (count == sizeof texts / sizeof *texts || !memchr(at, '\0', (size_t)(end - at)))
			return false;
		texts[count++] = at;
	}
	if (count < 2 || count % 2 || !*texts[0] || !copy(id, SENSE_LINK_ID_MAX, texts[0]))
		return false;
	out->name = texts[1];
	out->argument_count = (count - 2) / 2;
	for (unsigned i = 0; i < out->argument_count; i++) {
		out->arguments[i].name = texts[2 + 2 * i];
		out->arguments[i].value = texts[3 + 2 * i];
	}
	return true;
}

static void result_send(sense_link *link, const struct sense_link_done *done, const struct sense_buf *output)
{
	static uint8_t map[OUTPUT_MAX + 2048];
	struct sense_wire_writer writer = {.data = map, .cap = sizeof map};
	struct sense_message_result message = {
	    .id = done->id, .status = done->status, .detail = *done->detail ? done->detail : NULL};
	if (output && output->len && !output->failed)
		message.output = (struct sense_message_bytes){(const uint8_t *)output->data, output->len};
	sense_message_put_result(&writer, &message);
	if (!writer.full)
		sense_link_send(link, SENSE_UPLINK_PARAMETERS, SENSE_UPLINK_RESULT, 0, map, writer.len);
}

static void carry_out(sense_link *link, const struct sense_link_command *command, uint64_t expires,
                      struct sense_link_done *done, struct sense_buf *output)
{
	const char *status = "refused";
	const char *why = "this agent carries out no commands";
	if (expires && expires < sense_clock_us()) {
		status = "expired";
		why = "it came too late";
	} else if (link->config.command) {
		why = link->config.command(link->config.self, command, output);
		status = why ? "refused" : "done";
	}
	snprintf(done->status, sizeof done->status, "%s", status);
	snprintf(done->detail, sizeof done->detail, "%s", why ? why : "");
	char name[LEVEL_MAX];
	snprintf(name, sizeof name, "%s", command->name);
	for (char *c = name; *c; c++)
		*c = *c < ' ' || *c > '~' ? '?' : *c;
	sense_log(SENSE_LOG_INFO, "link", "the server commands '%s': %s", name, status);
}

bool sense_link_commanded(sense_link *link, uint64_t expires, const char *text, size_t len)
{
	struct sense_link_command command = {0};
	struct sense_buf output;
	char id[SENSE_LINK_ID_MAX] = "";
	if (!parse(text, len, &command, id))
		return false;
	for (unsigned i = 0; i < SENSE_LINK_DONE; i++)
		if (!strcmp(link->done[i].id, id)) {
			result_send(link, &link->done[i], NULL);
			return true;
		}
	struct sense_link_done *done = &link->done[link->done_next++ % SENSE_LINK_DONE];
	memcpy(done->id, id, sizeof done->id);
	sense_buf_init(&output, OUTPUT_MAX);
	carry_out(link, &command, expires, done, &output);
	result_send(link, done, &output);
	sense_buf_fini(&output);
	return true;
}
