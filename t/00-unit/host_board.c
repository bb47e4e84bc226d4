#include <stdlib.h>
#include <sys/wait.h>
#include <unistd.h>

#include "core/host/board.h"
#include "t/tap.h"

static struct sense_board board;
static struct sense_host_message message;

static struct sense_endpoint endpoint(uint8_t local, uint16_t port, uint8_t remote, uint16_t remote_port)
{
	struct sense_endpoint key = {.local_port = port, .remote_port = remote_port, .l4 = 6};
	if (local)
		key.local = (struct sense_addr){.bytes = {[10] = 0xff, [11] = 0xff, [12] = 10, [15] = local}};
	if (remote)
		key.remote = (struct sense_addr){.bytes = {[10] = 0xff, [11] = 0xff, [12] = 8, [15] = remote}};
	return key;
}

static struct sense_board_place process(const char *name)
{
	struct sense_board_place place = sense_board_begin(&board);
	sense_host_message_begin(&message, SENSE_EVENT_PROCESS_START, 1);
	sense_host_message_text(&message, SENSE_FIELD_PROCESS_NAME, name);
	sense_board_actor(&board, &place, &message);
	return place;
}

static const char *name_at(const struct sense_board_place *place)
{
	static uint8_t data[SENSE_BOARD_ACTOR_BYTES];
	static struct sense_host_event event;
	size_t len;
	uint32_t version;
	if (!sense_board_read(&board, place, data, &len, &version) || !sense_host_message_read(data, len, &event))
		return NULL;
	return event.given.values[SENSE_FIELD_PROCESS_NAME].string.text;
}

static const char *holder(uint8_t local, uint16_t port, uint8_t remote, uint16_t remote_port, bool wide)
{
	struct sense_endpoint key = endpoint(local, port, remote, remote_port);
	struct sense_board_place place;
	return sense_board_find(&board, &key, wide, &place) ? name_at(&place) : NULL;
}

static void put(const struct sense_board_place *place, uint8_t local, uint16_t port, uint8_t remote,
                uint16_t remote_port)
{
	struct sense_endpoint key = endpoint(local, port, remote, remote_port);
	sense_board_endpoint(&board, place, &key);
}

static void finding(void)
{
	struct sense_board_place curl = process("curl"), server = process("ollama"), other = process("dns");
	put(&curl, 1, 40000, 8, 443);
	put(&server, 0, 11434, 0, 0);
	put(&other, 1, 53, 0, 0);
	is_str(holder(1, 40000, 8, 443, false), "curl", "a connection is found exactly");
	ok(!holder(1, 40000, 8, 444, false), "another one is not");
	is_str(holder(1, 11434, 9, 5555, true), "ollama", "what listens on any address has all that come to it");
	ok(!holder(1, 11434, 9, 5555, false), "unless exactly is what is asked for");
	is_str(holder(1, 53, 9, 5555, true), "dns", "so has what listens on one");
	ok(!holder(2, 53, 9, 5555, true), "and not on another");
	struct sense_board_place next = process("wget");
	put(&next, 1, 40000, 8, 443);
	is_str(holder(1, 40000, 8, 443, false), "wget", "a port that is used again is the new one's");
}

static void places(void)
{
	struct sense_board_place first = process("first");
	put(&first, 3, 1000, 8, 443);
	sense_host_message_begin(&message, SENSE_EVENT_PROCESS_START, 1);
	sense_host_message_text(&message, SENSE_FIELD_PROCESS_NAME, "renamed");
	sense_board_actor(&board, &first, &message);
	is_str(holder(3, 1000, 8, 443, false), "renamed", "what becomes known later is read");
	for (unsigned i = 0; i < SENSE_BOARD_ACTORS; i++)
		process("many");
	ok(!sense_board_holds(&board, &first), "the oldest gives its place");
	ok(!holder(3, 1000, 8, 443, false), "and its endpoints are nobody's, not the successor's");
	for (unsigned i = 0; i < 3 * SENSE_BOARD_ENDPOINTS; i++) {
		struct sense_board_place place = process("x");
		put(&place, 4, (uint16_t)i, 8, (uint16_t)(i >> 16));
	}
	is_str(holder(4, 0xffff, 8, 2, false), "x", "the latest are there however many there were");
	sense_board_beat(&board); /* somebody was at work */
	sense_board_clear(&board);
	ok(!holder(4, 0xffff, 8, 2, false), "a new sensor process begins with nothing");
	struct sense_board_place again = process("again");
	put(&again, 4, 1, 8, 1);
	is_str(holder(4, 1, 8, 1, false), "again", "and goes on");
}

static void addresses(void)
{
	struct sense_addr own[100] = {{{0}}}, loopback = {.bytes = {[15] = 1}};
	for (unsigned i = 0; i < 100; i++)
		own[i] = endpoint((uint8_t)(i + 1), 0, 0, 0).local;
	ok(sense_board_is_local(&board, &loopback), "the loopback is always of this host");
	ok(!sense_board_is_local(&board, &own[0]), "others are when it is said");
	sense_board_locals(&board, own, 100);
	ok(sense_board_is_local(&board, &own[0]) && sense_board_is_local(&board, &own[SENSE_BOARD_LOCALS - 1]),
	   "those are");
	ok(!sense_board_is_local(&board, &own[SENSE_BOARD_LOCALS]), "as many as there is room for");
	sense_board_locals(&board, own, 1);
	ok(!sense_board_is_local(&board, &own[1]), "one that is gone is not");
}

static void gauges(void)
{
	char name[64];
	for (unsigned i = 0; i < SENSE_BOARD_GAUGES + 10; i++) {
		snprintf(name, sizeof name, "gauge.%u", i);
		sense_board_gauge(&board, name, i);
	}
	sense_board_gauge(&board, "gauge.3", 33);
	const struct sense_board_page *page = sense_board_page(&board);
	is_num(page->gauge_count, SENSE_BOARD_GAUGES, "gauges are bounded");
	ok(!strcmp(page->gauges[3].name, "gauge.3") && page->gauges[3].value == 33, "and keep their names");
}

/* A reader beside a writer never sees half of a record. */
static void together(void)
{
	struct sense_board_place place = process("aaaaaaaa");
	put(&place, 9, 9, 9, 9);
	pid_t writer = fork();
	for (unsigned i = 0; !writer && i < 200000; i++) {
		char name[9];
		memset(name, 'a' + (int)(i % 26), 8);
		name[8] = '\0';
		sense_host_message_begin(&message, SENSE_EVENT_PROCESS_START, 1);
		sense_host_message_text(&message, SENSE_FIELD_PROCESS_NAME, name);
		sense_board_actor(&board, &place, &message);
	}
	if (!writer)
		_exit(0);
	unsigned half = 0, read = 0;
	while (!waitpid(writer, NULL, WNOHANG)) {
		const char *name = name_at(&place);
		read += name != NULL;
		half += name && strspn(name, (char[]){name[0], '\0'}) != 8;
	}
	ok(read > 0 && !half, "a record is never half old and half new (%u read)", read);
	pid_t worker = fork();
	if (!worker) {
		sense_board_inherit(&board);
		_exit(board.views.write == NULL && name_at(&place) ? 0 : 1);
	}
	int status;
	waitpid(worker, &status, 0);
	is_num(status, 0, "a worker reads it and has no way to write");
}

int main(void)
{
	sense_error err;
	ok(!sense_board_new(&board, &err), "made");
	finding();
	places();
	addresses();
	gauges();
	together();
	sense_board_free(&board);
	return tap_done();
}
