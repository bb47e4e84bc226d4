/*
 * The plugin `packet`: rings that grow when packets ask for it and shrink again, without a packet lost, come
 * twice or out of order; and what was dropped, by interface.
 */
#include "t/20-plugin/packet_live.h"

enum { ROOM_BYTES = 64 << 20, SMALL_BYTES = ROOM_BYTES / 16, SMALL_FRAMES = SMALL_BYTES / (256 << 10) * 230 };

/* Memory of rings that a reader has mapped. */
static unsigned long ring_memory(const struct reader *reader)
{
	char path[64], line[512];
	unsigned long from, to, bytes = 0;
	snprintf(path, sizeof path, "/proc/%d/maps", (int)reader->pid);
	FILE *maps = fopen(path, "re");
	while (maps && fgets(line, sizeof line, maps))
		if (strstr(line, "socket:[") && sscanf(line, "%lx-%lx", &from, &to) == 2)
			bytes += to - from;
	if (maps)
		fclose(maps);
	return bytes;
}

/* Looks as the agent does, while nobody reads. */
static struct sense_live_stats look_for(struct capture *capture, unsigned looks)
{
	struct sense_live_stats stats = {0};
	for (unsigned i = 0; i < looks; i++) {
		usleep(100000);
		stats = capture_look(capture);
	}
	return stats;
}

static void test_growth(void)
{
	struct capture capture;
	if (!ok(!capture_begin(&capture, "v0", "", 1), "a capture with room for 64 MiB"))
		return;
	struct reader reader = reader_start(&capture, 0, 0);
	is_num(ring_memory(&reader), SMALL_BYTES, "begins with a sixteenth of it");
	send_many(1, 10);
	ok(reader_gets(&reader, 1, 10), "which is read");
	look_for(&capture, 3);
	is_num(ring_memory(&reader), SMALL_BYTES, "and is enough for a few packets");
	ok(reader_stop(&reader), "now nobody reads");
	send_many(11, SMALL_FRAMES / 2);
	look_for(&capture, 4);
	send_many(11 + SMALL_FRAMES / 2, 4 * SMALL_FRAMES);
	is_num(look_for(&capture, 1).dropped, 0, "and nothing is dropped of more than it holds, for it grew");
	reader = reader_start(&capture, 0, 0);
	ok(reader_gets(&reader, 11, SMALL_FRAMES / 2 + 4 * SMALL_FRAMES),
	   "who comes late reads what was in the small ring, then what is in the large one");
	is_num(ring_memory(&reader), ROOM_BYTES, "which have all the room together");
	/* Calm: packets trickle while it waits for the room to be given back. */
	uint32_t id = 100000, got = id;
	bool all = true;
	for (unsigned i = 0; all && i < 400 && ring_memory(&reader) > SMALL_BYTES; i++, id++) {
		send_id("v1", id);
		look_for(&capture, 1);
		all = reader_gets(&reader, got, 1);
		got++;
	}
	ok(all, "each of the packets that trickle is read");
	is_num(ring_memory(&reader), SMALL_BYTES, "and when it was calm for a while, the room is given back");
	look_for(&capture, 2);
	ok(reader_stop(&reader), "again nobody reads");
	send_many(200000, 100);
	look_for(&capture, 4);
	send_many(200100, 2 * SMALL_FRAMES);
	reader = reader_start(&capture, 0, 0);
	ok(reader_gets(&reader, 200000, 100 + 2 * SMALL_FRAMES), "and it grows once more");
	ok(reader_stop(&reader), "the reader was alive");
	is_num(capture_look(&capture).dropped, 0, "nothing was dropped at any time");
	capture_end(&capture);
}

/* The ring changes under a reader that is at work. */
static void test_at_work(void)
{
	enum { BURST = 1000, BURSTS = 40 };
	struct capture capture;
	if (!ok(!capture_begin(&capture, "v0", "", 1), "a capture whose packets come fast"))
		return;
	struct reader reader = reader_start(&capture, 0, 0);
	bool all = true;
	capture_look(&capture);
	for (uint32_t i = 0; all && i < BURSTS; i++) {
		send_many(1 + i * BURST, BURST);
		capture_look(&capture);
		all = reader_gets(&reader, 1 + i * BURST, BURST);
	}
	ok(all, "each is read once, in order");
	is_num(ring_memory(&reader), ROOM_BYTES, "while the ring grew");
	is_num(capture_look(&capture).dropped, 0, "nothing was dropped");
	ok(reader_stop(&reader), "the reader was alive");
	capture_end(&capture);
}

static void send_flows(unsigned flows, uint32_t first, bool back)
{
	for (unsigned i = 0; i < flows; i++) {
		uint16_t port = (uint16_t)(20000 + i);
		send_at(back ? "v1" : "v0", &(struct datagram){.id = first + i,
		                                               .from_port = back ? PORT : port,
		                                               .to_port = back ? port : PORT,
		                                               .back = back,
		                                               .payload = 1000});
	}
}

/* Which reader, from 1, got each of the datagrams first, first + 1, ..., in any order; false: one is missing. */
static bool owners_find(struct reader *readers, uint32_t first, unsigned count, uint8_t *owner)
{
	struct pollfd in[2] = {{.fd = readers[0].in, .events = POLLIN},
	                       {.fd = readers[1].in, .events = POLLIN}};
	for (unsigned got = 0; got < count; got++) {
		struct seen seen;
		if (poll(in, 2, PATIENCE_S * 1000) <= 0)
			return false;
		unsigned which = in[0].revents & POLLIN ? 0 : 1;
		if (!reader_next(&readers[which], &seen) || seen.id < first || seen.id >= first + count)
			return false;
		owner[seen.id - first] = (uint8_t)(1 + which);
	}
	return true;
}

static void test_workers(void)
{
	enum { FLOWS = 64 };
	struct capture capture;
	struct reader readers[2];
	uint8_t before[FLOWS] = {0}, after[2 * FLOWS] = {0};
	if (!ok(!capture_begin(&capture, "v0", "", 2), "two workers"))
		return;
	for (unsigned i = 0; i < 2; i++)
		readers[i] = reader_start(&capture, i, 0);
	send_flows(FLOWS, 1, false);
	ok(owners_find(readers, 1, FLOWS, before), "have some flows each");
	capture_look(&capture);
	for (unsigned i = 0; i < 2; i++)
		reader_stop(&readers[i]);
	send_flows(FLOWS, 1001, true);
	look_for(&capture, 4);
	send_flows(FLOWS, 1001 + FLOWS, true);
	for (unsigned i = 0; i < 2; i++)
		readers[i] = reader_start(&capture, i, 0);
	/* One may be done with both while the other has not begun. */
	ok(owners_find(readers, 1001, 2 * FLOWS, after),
	   "what came back meanwhile, and when the rings had grown");
	ok(!memcmp(before, after, FLOWS) && !memcmp(before, after + FLOWS, FLOWS), "is read by the same");
	is_num(ring_memory(&readers[0]) + ring_memory(&readers[1]), ROOM_BYTES, "to all the room together");
	for (unsigned i = 0; i < 2; i++)
		ok(reader_stop(&readers[i]), "worker %u was alive", i + 1);
	capture_end(&capture);
}

/* ---- drops, by interface ------------------------------------------------------------------------- */

static struct sense_live_interface interface_of(struct capture *capture, const char *name)
{
	struct sense_live_interface all[32];
	unsigned n = plugin->live->interfaces(capture->live, all, 32);
	for (unsigned i = 0; i < n; i++)
		if (!strcmp(all[i].name, name))
			return all[i];
	ok(false, "%s is listed", name);
	return (struct sense_live_interface){0};
}

static void test_drops(void)
{
	enum { FEW = 40, MANY = 9000 };
	struct capture capture;
	struct seen seen;
	ring_bytes = RING_BYTES;
	ok(veth_make("a0", "a1"), "two more interfaces");
	if (!ok(!capture_begin(&capture, NULL, "port 4242", 1), "a capture of all, that nobody reads"))
		return;
	look_for(&capture, 1);
	for (uint32_t i = 0; i < FEW; i++) {
		send_id("a1", 1 + i);
		send_loopback(500 + i, 18);
	}
	send_many(1000, MANY);
	struct sense_live_stats stats = look_for(&capture, 11);
	/* Each frame is seen at both ends of its cable. */
	is_num(stats.received, 2 * (FEW + MANY) + FEW, "all is counted");
	is_num(interface_of(&capture, "a0").received, FEW, "what came at one interface");
	is_num(interface_of(&capture, "lo").received, FEW, "at the loopback interface, each once");
	is_num(interface_of(&capture, "v0").received, MANY, "and at another");
	struct reader reader = reader_start(&capture, 0, 0);
	for (uint64_t i = 0; i < stats.received - stats.dropped; i++)
		if (!reader_next(&reader, &seen))
			ok(false, "what was not dropped is read");
	look_for(&capture, 11);
	ok(stats.dropped > MANY / 2, "%llu were dropped", (unsigned long long)stats.dropped);
	is_num(interface_of(&capture, "v0").dropped + interface_of(&capture, "v1").dropped, stats.dropped,
	       "all of them at the ends of the cable that was flooded");
	is_num(interface_of(&capture, "a0").dropped + interface_of(&capture, "lo").dropped, 0,
	       "none at others");
	reader_stop(&reader);
	capture_end(&capture);
}

int main(void)
{
	const char *missing = plugin_load();
	if (missing) {
		printf("1..0 # SKIP %s\n", missing);
		return 0;
	}
	if (!plugin)
		return tap_done();
	ok(veth_make("v0", "v1"), "two interfaces, back to back");
	ring_bytes = ROOM_BYTES;
	test_growth();
	test_at_work();
	test_workers();
	test_drops();
	return tap_done();
}
