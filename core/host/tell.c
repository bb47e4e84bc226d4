/* What sensors call: the table of functions, and how what they tell becomes messages. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "core/base/clock.h"
#include "core/base/log.h"
#include "core/catalogue/table.h"
#include "core/host/internal.h"
#include "core/names/command.h"
#include "core/plugin/loader.h"

struct sense_telling sense_telling;

/* ---- events -------------------------------------------------------------------------------------- */

static void mistake(const char *what, const char *name)
{
	if (!sense_telling.mistakes++)
		sense_log(SENSE_LOG_ERROR, "host", "a sensor told of %s '%s', which there is not", what, name);
}

/* A command that comes as one line: by its blanks, as good as that is. */
static void command_put(struct sense_host_message *message, enum sense_field field, const char *text)
{
	char line[SENSE_HOST_TEXT_MAX + 1], words[SENSE_HOST_TEXT_MAX + 1];
	size_t len = strnlen(text, sizeof words - 1);
	for (size_t i = 0; i < len; i++)
		words[i] = text[i] == ' ' ? '\0' : text[i];
	words[len] = '\0';
	sense_command_line(words, len + 1, line, sizeof line);
	sense_host_message_text(message, field, line);
}

static void text_put(struct sense_host_message *message, enum sense_field field, const char *text)
{
	switch (field) {
	case SENSE_FIELD_PROCESS_COMMAND:
	case SENSE_FIELD_MCP_COMMAND:
	case SENSE_FIELD_MCP_URL:
		command_put(message, field, text);
		break;
	default:
		sense_host_message_text(message, field, text);
	}
}

static bool address_is_any(const uint8_t address[16])
{
	static const uint8_t any6[16], any4[16] = {[10] = 0xff, [11] = 0xff};
	return !memcmp(address, any6, 16) || !memcmp(address, any4, 16);
}

static void address_put(struct sense_host_message *message, enum sense_field field, const uint8_t bytes[16])
{
	struct sense_addr addr;
	memcpy(addr.bytes, bytes, sizeof addr.bytes);
	sense_host_message_addr(message, field, &addr);
	if (field == SENSE_FIELD_LISTEN_IP)
		sense_host_message_text(message, SENSE_FIELD_LISTEN_SCOPE,
		                        address_is_any(bytes) ? "any" : sense_addr_scope(&addr));
}

static bool fact_put(struct sense_host_message *message, const struct sense_fact *fact)
{
	static const enum sense_value_type types[] = {
	    [SENSE_FACT_TEXT] = SENSE_VALUE_STRING,
	    [SENSE_FACT_NUMBER] = SENSE_VALUE_NUMBER,
	    [SENSE_FACT_BOOL] = SENSE_VALUE_BOOL,
	    [SENSE_FACT_ADDRESS] = SENSE_VALUE_ADDR,
	};
	int field = fact->field ? sense_field_find(fact->field) : -1;
	if (field < 0 || (unsigned)fact->type >= sizeof types / sizeof *types ||
	    sense_field_type((enum sense_field)field) != types[fact->type])
		return false;
	switch (fact->type) {
	case SENSE_FACT_TEXT:
		if (fact->text)
			text_put(message, (enum sense_field)field, fact->text);
		break;
	case SENSE_FACT_NUMBER:
		sense_host_message_number(message, (enum sense_field)field, fact->number);
		break;
	case SENSE_FACT_BOOL:
		sense_host_message_bool(message, (enum sense_field)field, fact->boolean);
		break;
	case SENSE_FACT_ADDRESS:
		address_put(message, (enum sense_field)field, fact->address);
		break;
	}
	return true;
}

static void tell(const char *event, uint32_t pid, const struct sense_fact *facts, unsigned count)
{
	struct sense_telling *telling = &sense_telling;
	int kind = sense_event_find(event);
	if (kind < 0) {
		mistake("an event", event);
		return;
	}
	sense_host_message_begin(&telling->message, (unsigned)kind, sense_clock_us());
	/* What the sensor says itself stands before what is known of the process: the last one counts. */
	const struct sense_roster_process *process = pid ? sense_roster_find(telling->roster, pid) : NULL;
	if (process)
		sense_process_put(&telling->message, process, false);
	else if (pid)
		sense_host_message_number(&telling->message, SENSE_FIELD_PROCESS_PID, pid);
	for (unsigned i = 0; i < count; i++)
		if (!fact_put(&telling->message, &facts[i]))
			mistake("a value", facts[i].field ? facts[i].field : "?");
	sense_outbox_send(&telling->outbox, &telling->message);
}

void sense_telling_gap(const char *what, const char *where, const char *why, double count)
{
	const struct sense_fact facts[] = {
	    {.field = "gap.what", .type = SENSE_FACT_TEXT, .text = what},
	    {.field = "gap.where", .type = SENSE_FACT_TEXT, .text = where},
	    {.field = "gap.why", .type = SENSE_FACT_TEXT, .text = why},
	    {.field = "gap.count", .type = SENSE_FACT_NUMBER, .number = count},
	};
	tell("gap", 0, facts, count > 0 ? 4 : 3);
}

/* ---- processes ----------------------------------------------------------------------------------- */

static void board_write(struct sense_roster_process *process)
{
	struct sense_telling *telling = &sense_telling;
	sense_host_message_begin(&telling->message, SENSE_EVENT_PROCESS_START, process->start_us);
	sense_process_put(&telling->message, process, true);
	sense_board_actor(telling->config->board, &process->place, &telling->message);
}

static void process_started(const struct sense_process *given, bool now)
{
	struct sense_telling *telling = &sense_telling;
	struct sense_process_room room;
	struct sense_roster_process fresh = {
	    .pid = given->pid,
	    .parent = given->parent,
	    .uid = given->uid,
	    .start_us = given->start_us,
	    .name = given->name,
	    .path = given->path,
	    .cwd = given->cwd,
	    .user = given->user,
	    .hash = given->hash,
	    .container = given->container,
	};
	sense_process_recognise(telling->programs, given, &fresh, &room);
	struct sense_roster_process *process = sense_roster_put(telling->roster, &fresh, now);
	if (!process)
		return;
	if (sense_board_holds(telling->config->board, &process->place))
		board_write(process);
	/* Of those found running, tools are told: that they run is news to whoever begins to watch. */
	bool tells = now || (!process->told && (*process->tool || telling->config->mode == SENSE_SENSOR_ONCE));
	process->told = process->told || tells;
	if (!tells)
		return;
	sense_host_message_begin(&telling->message, SENSE_EVENT_PROCESS_START, sense_clock_us());
	sense_process_put(&telling->message, process, false);
	sense_outbox_send(&telling->outbox, &telling->message);
}

static void process_ended(uint32_t pid, uint64_t ts_us, int exit_code)
{
	struct sense_telling *telling = &sense_telling;
	struct sense_roster_process *process = sense_roster_find(telling->roster, pid);
	if (!process || process->exit_us)
		return;
	sense_host_message_begin(&telling->message, SENSE_EVENT_PROCESS_EXIT, ts_us);
	sense_process_put(&telling->message, process, false);
	if (exit_code >= 0)
		sense_host_message_number(&telling->message, SENSE_FIELD_PROCESS_EXIT_CODE, exit_code);
	sense_roster_end(telling->roster, pid, ts_us);
	sense_outbox_send(&telling->outbox, &telling->message);
}

static bool process_copy(const struct sense_roster_process *process, struct sense_process_known *out)
{
	if (!process)
		return false;
	*out = (struct sense_process_known){
	    .size = sizeof *out,
	    .pid = process->pid,
	    .parent = process->parent,
	    .uid = process->uid,
	    .start_us = process->start_us,
	    .exit_us = process->exit_us,
	    .name = process->name,
	    .path = process->path,
	    .command = process->command,
	    .user = process->user,
	    .tool = process->tool,
	};
	return true;
}

static bool process_find(uint32_t pid, struct sense_process_known *out)
{
	return process_copy(sense_roster_find(sense_telling.roster, pid), out);
}

static bool process_next(uint32_t *cursor, struct sense_process_known *out)
{
	return process_copy(sense_roster_next(sense_telling.roster, cursor), out);
}

static void socket_of(const struct sense_socket *socket)
{
	struct sense_telling *telling = &sense_telling;
	struct sense_board *board = telling->config->board;
	struct sense_roster_process *process = sense_roster_find(telling->roster, socket->pid);
	char user[16];
	if (!process) {
		/* Its end is all there is of it: the sensor of processes may tell more in a moment. */
		snprintf(user, sizeof user, "%u", socket->uid);
		struct sense_roster_process fresh = {
		    .pid = socket->pid, .uid = socket->uid, .name = socket->name, .user = user};
		process = sense_roster_put(telling->roster, &fresh, false);
	}
	if (!process)
		return;
	if (!sense_board_holds(board, &process->place)) {
		process->place = sense_board_begin(board);
		board_write(process);
	}
	struct sense_endpoint key = {
	    .local_port = socket->local_port, .remote_port = socket->remote_port, .l4 = socket->l4};
	if (!address_is_any(socket->local))
		memcpy(key.local.bytes, socket->local, sizeof key.local.bytes);
	if (socket->remote_port)
		memcpy(key.remote.bytes, socket->remote, sizeof key.remote.bytes);
	sense_board_endpoint(board, &process->place, &key);
	telling->attributed++;
}

/* ---- the rest ------------------------------------------------------------------------------------ */

static enum sense_status catalogue(const char *table, bool (*row)(void *self, const struct sense_row *row),
                                   void *self, sense_error *err)
{
	return sense_table_read(sense_telling.config->catalogue_dir, table, row, self, err);
}

static const char *setting(const char *key)
{
	const struct sense_conf *conf = sense_telling.config->conf;
	for (unsigned i = 0; i < conf->spec->count; i++)
		if (!strcmp(conf->spec->keys[i].name, key))
			return sense_conf_text(conf, i);
	return NULL;
}

static void gauge(const char *name, uint64_t value)
{
	sense_board_gauge(sense_telling.config->board, name, value);
}

const struct sense_host *sense_telling_host(void)
{
	static struct sense_host host;
	host = *sense_plugin_host();
	host.tell = tell;
	host.process_started = process_started;
	host.process_ended = process_ended;
	host.process_find = process_find;
	host.process_next = process_next;
	host.socket_of = socket_of;
	host.catalogue = catalogue;
	host.setting = setting;
	host.gauge = gauge;
	return &host;
}
