#include <stdlib.h>

#include "core/host/intake.h"
#include "core/host/outbox.h"
#include "t/tap.h"

#include <fcntl.h>
#include <sys/socket.h>
#include <unistd.h>

static struct sense_host_message message;
static struct sense_host_event event;

static const char *text_of(enum sense_field field)
{
	const struct sense_event about = {.kind = (enum sense_event_kind)event.kind, .given = &event.given};
	struct sense_value value;
	sense_event_get(&about, field, &value);
	return value.type == SENSE_VALUE_STRING ? value.string.text : NULL;
}

static bool again(void)
{
	return sense_host_message_read(message.data, message.len, &event);
}

static void there_and_back(void)
{
	struct sense_addr addr = {.bytes = {[15] = 1}};
	struct sense_value value;
	sense_host_message_begin(&message, SENSE_EVENT_LISTEN, 1234567);
	sense_host_message_text(&message, SENSE_FIELD_PROCESS_NAME, "ollama");
	sense_host_message_text(&message, SENSE_FIELD_PROCESS_PATH, "");
	sense_host_message_number(&message, SENSE_FIELD_LISTEN_PORT, 11434);
	sense_host_message_addr(&message, SENSE_FIELD_LISTEN_IP, &addr);
	sense_host_message_bool(&message, SENSE_FIELD_MCP_PINNED, true);
	ok(again() && event.kind == SENSE_EVENT_LISTEN && event.ts_us == 1234567, "kind and time");
	is_str(text_of(SENSE_FIELD_PROCESS_NAME), "ollama", "a text");
	ok(!text_of(SENSE_FIELD_PROCESS_PATH), "an empty one is as good as none");
	const struct sense_event about = {.kind = SENSE_EVENT_LISTEN, .given = &event.given};
	sense_event_get(&about, SENSE_FIELD_LISTEN_PORT, &value);
	ok(value.type == SENSE_VALUE_NUMBER && (int)value.number == 11434, "a number");
	sense_event_get(&about, SENSE_FIELD_LISTEN_IP, &value);
	ok(value.type == SENSE_VALUE_ADDR && value.addr.bytes[15] == 1, "an address");
	sense_event_get(&about, SENSE_FIELD_MCP_PINNED, &value);
	ok(value.type == SENSE_VALUE_BOOL && value.boolean, "a boolean");
}

static void bad_bytes(void)
{
	char longer[SENSE_HOST_TEXT_MAX + 100];
	memset(longer, 'x', sizeof longer);
	longer[sizeof longer - 1] = '\0';
	sense_host_message_begin(&message, SENSE_EVENT_FILE, 1);
	sense_host_message_text(&message, SENSE_FIELD_FILE_PATH, "/a\nb\x1b[31m\xff\xc3\x28/\xc3\xa9");
	sense_host_message_text(&message, SENSE_FIELD_FILE_KIND, longer);
	ok(again(), "any bytes can be told");
	is_str(text_of(SENSE_FIELD_FILE_PATH), "/a?b?[31m?" "?(/\xc3\xa9",
	       "control characters and what is not UTF-8 are replaced");
	is_num(strlen(text_of(SENSE_FIELD_FILE_KIND)), SENSE_HOST_TEXT_MAX, "what is long is cut");
	memset(longer, '\xc3', sizeof longer - 1);
	for (size_t i = 1; i < sizeof longer - 1; i += 2)
		longer[i] = '\xa9';
	sense_host_message_begin(&message, SENSE_EVENT_FILE, 1);
	for (int i = 0; i < 6; i++)
		sense_host_message_text(&message, SENSE_FIELD_FILE_PATH, longer);
	ok(message.full && again(), "what does not fit is left out, and the rest is whole");
}

/* Every byte changed, every length: it never reads beyond, and what it takes is well-formed. */
static void torn(void)
{
	unsigned taken = 0;
	sense_host_message_begin(&message, SENSE_EVENT_MCP, 7);
	sense_host_message_text(&message, SENSE_FIELD_MCP_SERVER, "files");
	sense_host_message_number(&message, SENSE_FIELD_PROCESS_PID, 42);
	for (size_t len = 0; len < message.len; len++) {
		uint8_t *copy = malloc(len + !len);
		memcpy(copy, message.data, len);
		taken += sense_host_message_read(copy, len, &event);
		free(copy);
	}
	is_num(taken, 0, "a message that was cut is none");
	for (size_t i = 0; i < message.len; i++) {
		uint8_t *copy = malloc(message.len);
		for (unsigned bit = 0; bit < 8; bit++) {
			memcpy(copy, message.data, message.len);
			copy[i] ^= (uint8_t)(1u << bit);
			if (sense_host_message_read(copy, message.len, &event) && text_of(SENSE_FIELD_MCP_SERVER))
				taken += memchr(text_of(SENSE_FIELD_MCP_SERVER), '\0', 6) == NULL;
		}
		free(copy);
	}
	is_num(taken, 0, "nor does a changed bit make a text without an end");
}

/* ---- the way ------------------------------------------------------------------------------------- */

static void tell(struct sense_outbox *outbox, double number)
{
	sense_host_message_begin(&message, SENSE_EVENT_GAP, 1);
	sense_host_message_number(&message, SENSE_FIELD_GAP_COUNT, number);
	sense_outbox_send(outbox, &message);
}

static double number_of(const struct sense_host_event *got)
{
	return got ? got->given.values[SENSE_FIELD_GAP_COUNT].number : -1;
}

static void way(void)
{
	int ends[2];
	static struct sense_intake intake;
	socketpair(AF_UNIX, SOCK_SEQPACKET, 0, ends);
	fcntl(ends[1], F_SETFL, O_NONBLOCK);
	struct sense_outbox outbox = {.fd = ends[0]};
	intake.fd = ends[1];
	ok(!sense_intake_next(&intake), "nothing yet");
	unsigned sent = 0, got = 0;
	while (!sense_outbox_waits(&outbox))
		tell(&outbox, sent++);
	for (unsigned i = 0; i < 1000; i++)
		tell(&outbox, sent++);
	ok(sense_outbox_waits(&outbox), "a full socket makes nobody wait");
	for (;;) {
		const struct sense_host_event *next = sense_intake_next(&intake);
		if (!next && !sense_outbox_waits(&outbox))
			break;
		if (!next)
			sense_outbox_flush(&outbox);
		else if ((unsigned)number_of(next) != got++)
			break;
	}
	is_num(got, sent, "all arrive, in order");
	is_num(outbox.dropped, 0, "none was dropped");
	while (!outbox.dropped)
		tell(&outbox, 0);
	ok(outbox.dropped == 1, "when the queue is full, too, what comes is dropped and counted");
	(void)send(ends[0], "garbage", 7, MSG_DONTWAIT); /* the socket is full where it is small */
	sense_outbox_fini(&outbox);
	while (sense_intake_next(&intake))
		;
	ok(intake.malformed == 0, "what waited before it came first");
	close(ends[0]);
	close(ends[1]);
}

static void garbage(void)
{
	int ends[2];
	static struct sense_intake intake;
	socketpair(AF_UNIX, SOCK_SEQPACKET, 0, ends);
	fcntl(ends[1], F_SETFL, O_NONBLOCK);
	struct sense_outbox outbox = {.fd = ends[0]};
	intake.fd = ends[1];
	(void)!write(ends[0], "garbage", 7);
	tell(&outbox, 5);
	is_num(number_of(sense_intake_next(&intake)), 5, "a malformed message is passed over");
	is_num(intake.malformed, 1, "and counted");
	sense_host_message_begin(&message, SENSE_HOST_END, 1);
	sense_outbox_send(&outbox, &message);
	ok(!sense_intake_next(&intake) && intake.ended, "a scan has an end");
	close(ends[0]);
	close(ends[1]);
}

int main(void)
{
	there_and_back();
	bad_bytes();
	torn();
	way();
	garbage();
	return tap_done();
}
