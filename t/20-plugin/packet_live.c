/*
 * The plugin `packet` in a network namespace of the test's own, loaded as the agent loads it and read by
 * locked-down processes: what comes, that it comes once, and what becomes of it when a reader dies or nobody
 * reads.
 */
#include <linux/if_tun.h>
#include <sys/mman.h>
#include <sys/time.h>

#include "t/20-plugin/packet_live.h"

static void test_loopback(void)
{
	struct capture capture;
	struct seen seen = {0};
	struct timeval now;
	if (!ok(!capture_begin(&capture, NULL, "", 1), "a capture of all interfaces begins"))
		return;
	ok(fcntl(capture.fds[0], F_GETFD) & FD_CLOEXEC, "its descriptor does not outlive exec");
	struct reader reader = reader_start(&capture, 0, 0);
	bool sent = true;
	for (uint32_t id = 1; id <= 50; id++)
		sent &= send_loopback(id, 18);
	ok(sent && reader_gets(&reader, 1, 50),
	   "each frame at the loopback interface is read once, in order");
	send_loopback(51, 18);
	reader_next(&reader, &seen);
	gettimeofday(&now, NULL);
	is_num(seen.link, 1, "its link type is Ethernet");
	is_num(seen.len, HEADERS + 18, "with its length");
	is_num(seen.caplen, HEADERS + 18, "all of which is there");
	is_num(seen.iface, if_nametoindex("lo"), "and the interface's number");
	long long age = (long long)now.tv_sec * 1000000 + now.tv_usec - (long long)seen.ts_us;
	ok(age >= 0 && age < PATIENCE_S * 1000000LL, "its time is that of now");
	send_loopback(52, 65000);
	reader_next(&reader, &seen);
	is_num(seen.id, 52, "a frame of 64 KiB comes");
	is_num(seen.caplen, HEADERS + 65000, "whole");
	int status = 0;
	kill(reader.pid, SIGTERM);
	waitpid(reader.pid, &status, 0);
	ok(WIFEXITED(status) && WEXITSTATUS(status) == EXIT_ENDED,
	   "it goes on until no more is wanted, within its system calls");
	close(reader.in);
	capture_end(&capture);
}

static void test_veth(void)
{
	struct capture capture;
	struct seen seen = {0};
	ok(veth_make("v0", "v1"), "two interfaces, back to back");
	if (!ok(!capture_begin(&capture, "v0", "", 1), "a capture of one of them begins"))
		return;
	struct reader reader = reader_start(&capture, 0, 0);
	send_loopback(99, 18);
	send_id("v1", 1);
	send_id("v0", 2);
	send_id("v1", 3);
	ok(reader_gets(&reader, 1, 3), "frames of both directions come once, those of others do not");
	/* A kernel that receives a tag takes it out of the frame. */
	struct datagram tagged = {
	    .id = 4, .from_port = 1, .to_port = PORT, .payload = 18, .tag_type = 0x8100, .tag = 7};
	send_at("v1", &tagged);
	reader_next(&reader, &seen);
	is_num(seen.id, 4, "a frame with a VLAN tag comes");
	ok(!memcmp(seen.head, "\2\0\0\0\0\1\2\0\0\0\0\2\x81\0\0\7\x08\0\x45", 19),
	   "with its tag behind its addresses");
	is_num(seen.len, HEADERS + 18 + 4, "which counts in its length");
	is_num(seen.caplen, HEADERS + 18 + 4, "and is there");
	tagged.id = 5;
	tagged.tag_type = 0x88a8;
	tagged.tag = 9;
	send_at("v1", &tagged);
	reader_next(&reader, &seen);
	ok(seen.id == 5 && !memcmp(seen.head + 12, "\x88\xa8\0\x09\x08\0", 6),
	   "so does that of a provider (802.1ad)");
	reader_stop(&reader);
	capture_end(&capture);
}

/* Where datagram `id` is seen until one named `last` at the loopback interface is: how often, and not at
 * `never`. */
static unsigned sightings(const struct reader *reader, uint32_t id, uint32_t last, const char *never)
{
	struct seen seen;
	unsigned count = 0;
	while (reader_next(reader, &seen) && seen.id != last)
		if (seen.id == id)
			count += seen.iface == if_nametoindex(never) ? 100 : 1;
	return seen.id == last ? count : 0;
}

/* What goes through a bridge or a VLAN's interface goes through another, too. */
static void test_stacked(void)
{
	struct capture capture;
	ok(veth_make("b0", "b1") && ip("link add br0 address 02:00:00:00:00:01 type bridge") &&
	       ip("link set b0 master br0 && ip link set br0 arp off up"),
	   "a bridge and its port");
	if (!ok(!capture_begin(&capture, NULL, "", 1), "a capture of all interfaces begins"))
		return;
	struct reader reader = reader_start(&capture, 0, 0);
	send_id("b1", 1);
	send_loopback(2, 18);
	is_num(sightings(&reader, 1, 2, "br0"), 2,
	       "a frame is seen at both ends of the cable, not at the bridge");
	bool vlan =
	    ip("link add link b1 name b1.7 type vlan id 7 2>/dev/null && ip link set b1.7 arp off up");
	capture_look(&capture);
	send_id(vlan ? "b1.7" : "b1", 3);
	send_loopback(4, 18);
	is_num(sightings(&reader, 3, 4, "b1.7"), 2, "nor at the VLAN's interface%s",
	       vlan ? "" : " # SKIP this kernel has none");
	reader_stop(&reader);
	capture_end(&capture);
	if (!ok(!capture_begin(&capture, "br0", "", 1), "a bridge that is named"))
		return;
	reader = reader_start(&capture, 0, 0);
	send_id("b1", 5);
	ok(reader_gets(&reader, 5, 1), "is captured");
	reader_stop(&reader);
	capture_end(&capture);
	ip("link del br0 && ip link del b0");
}

static struct sense_live_interface first_interface(struct capture *capture)
{
	struct sense_live_interface all[1] = {0};
	if (plugin->live->interfaces(capture->live, all, 1) != 1)
		ok(false, "one interface is listed");
	return all[0];
}

static void test_vanishing(void)
{
	struct capture capture;
	if (!ok(!capture_begin(&capture, "w0", "", 1), "an interface can be named before it is there"))
		return;
	struct reader reader = reader_start(&capture, 0, 0);
	struct sense_live_interface is = first_interface(&capture);
	ok(!strcmp(is.name, "w0") && is.wanted_by_name && !is.up, "it is listed as wanted, and not up");
	send_id("v0", 1);
	veth_make("w0", "w1");
	capture_look(&capture);
	send_id("w1", 2);
	ok(reader_gets(&reader, 2, 1), "when it came its frames do, and nobody else's");
	/* The kernel takes its time to tell that a link works. */
	for (unsigned i = 0; i < PATIENCE_S * 20 && !first_interface(&capture).up; i++) {
		usleep(50000);
		capture_look(&capture);
	}
	ok(first_interface(&capture).up, "now it is up");
	unsigned before = if_nametoindex("w0");
	ip("link del w0");
	capture_look(&capture);
	ok(!first_interface(&capture).up, "gone, it is not");
	send_id("v0", 3);
	veth_make("w0", "w1");
	ok(if_nametoindex("w0") != before, "another interface gets its name");
	capture_look(&capture);
	send_id("w1", 4);
	ok(reader_gets(&reader, 4, 1), "which is captured by the same socket");
	ip("link set w0 down && ip link set w0 name w5 && ip link set w5 up");
	settled("w1");
	capture_look(&capture);
	send_id("w1", 5);
	ip("link set w5 down && ip link set w5 name w0 && ip link set w0 up");
	settled("w1");
	capture_look(&capture);
	send_id("w1", 6);
	ok(reader_gets(&reader, 6, 1), "renamed it is not, until its name is back");
	ok(reader_stop(&reader), "one that went down is no end");
	capture_end(&capture);
	ip("link del w0");
}

static void test_filter(void)
{
	struct capture capture;
	struct datagram other = {.id = 1, .from_port = 1111, .to_port = 53, .payload = 18};
	struct datagram tagged = {
	    .id = 4, .from_port = 1, .to_port = PORT, .payload = 18, .tag_type = 0x8100, .tag = 7};
	if (!ok(!capture_begin(&capture, "v0", "udp and port 4242 or tcp[tcpflags] & tcp-syn != 0", 1),
	        "an expression of pcap-filter(7) is taken"))
		return;
	struct reader reader = reader_start(&capture, 0, 0);
	send_at("v1", &other);
	send_loopback(2, 18);
	send_id("v1", 3);
	send_at("v1", &tagged);
	tagged.id = 5;
	send_at("v0", &tagged); /* on its way out a tag may still be in the frame */
	tagged.id = 6;
	tagged.tag_type = 0x88a8;
	send_at("v0", &tagged);
	tagged.to_port = 53;
	send_at("v0", &tagged);
	send_id("v1", 7);
	ok(reader_gets(&reader, 3, 5),
	   "what it asks for comes, with a tag and without, and of that interface only");
	reader_stop(&reader);
	capture_end(&capture);
	is_num(capture_begin(&capture, NULL, "port and and", 1), SENSE_E_CONFIG, "a bad one is refused");
	ok(strstr(error.message, "syntax error"), "in the words of libpcap");
	is_num(capture_begin(&capture, NULL, "vlan 7", 1), SENSE_E_CONFIG, "one for VLAN tags is, too");
	is_num(capture_begin(&capture, "an interface whose name is too long", "", 1), SENSE_E_CONFIG,
	       "and so is an impossible name");
}

/* A device without a link layer: raw IP, to which the same expression applies. */
static void test_tun(void)
{
	struct capture capture;
	struct seen seen = {0};
	struct ifreq request = {.ifr_name = "t0", .ifr_flags = IFF_TUN | IFF_NO_PI};
	int tun = open("/dev/net/tun", O_RDWR | O_CLOEXEC);
	if (tun < 0 || ioctl(tun, TUNSETIFF, &request) || !ip("link set t0 up")) {
		ok(true, "# SKIP this system has no tunnel device");
		return;
	}
	if (!ok(!capture_begin(&capture, "t0", "udp port 4242", 1), "a tunnel can be captured"))
		return;
	struct reader reader = reader_start(&capture, 0, 0);
	for (uint32_t id = 1; id <= 2; id++) {
		struct frame frame = frame_of(&(struct datagram){
		    .id = id, .from_port = 1, .to_port = id == 1 ? 53 : PORT, .payload = 18});
		if (write(tun, frame.bytes + 14, frame.size - 14) < 0)
			ok(false, "a packet goes in");
	}
	reader_next(&reader, &seen);
	is_num(seen.id, 2, "its packets come, filtered");
	is_num(seen.link, 101, "as raw IP");
	is_num(seen.len, HEADERS - 14 + 18, "from their IP header on");
	reader_stop(&reader);
	capture_end(&capture);
	close(tun);
}

static void test_snaplen(void)
{
	const char *interface = "v0";
	struct sense_live_want want = {.size = sizeof want,
	                               .interfaces = &interface,
	                               .interface_count = 1,
	                               .workers = 1,
	                               .ring_bytes = RING_BYTES,
	                               .snaplen = 60,
	                               .filter = "udp"};
	struct datagram large = {.id = 1, .from_port = 1, .to_port = PORT, .payload = 1000};
	struct capture capture;
	struct seen seen = {0};
	if (!ok(!plugin->live->begin(&host, &want, &capture.live, capture.fds, &error),
	        "a capture of 60 bytes a frame"))
		return;
	struct reader reader = reader_start(&capture, 0, 0);
	send_at("v1", &large);
	reader_next(&reader, &seen);
	is_num(seen.caplen, 60, "has 60 bytes");
	is_num(seen.len, HEADERS + 1000, "and the length on the wire");
	reader_stop(&reader);
	capture_end(&capture);
}

static void test_workers(void)
{
	enum { FLOWS = 64, EACH = 6, ALL = FLOWS * EACH };
	struct capture capture;
	struct reader readers[2];
	unsigned owner[FLOWS] = {0}, count[FLOWS] = {0}, of[2] = {0}, got = 0, strays = 0;
	if (!ok(!capture_begin(&capture, "v0", "", 2), "two workers share a capture"))
		return;
	for (unsigned i = 0; i < 2; i++)
		readers[i] = reader_start(&capture, i, 0);
	for (unsigned i = 0; i < ALL; i++) {
		uint16_t port = (uint16_t)(20000 + i % FLOWS);
		bool back = i / FLOWS % 2;
		send_at(back ? "v1" : "v0", &(struct datagram){.id = 1 + i % FLOWS,
		                                               .from_port = back ? PORT : port,
		                                               .to_port = back ? port : PORT,
		                                               .back = back,
		                                               .payload = 18});
	}
	struct pollfd in[2] = {{.fd = readers[0].in, .events = POLLIN},
	                       {.fd = readers[1].in, .events = POLLIN}};
	while (got < ALL && poll(in, 2, PATIENCE_S * 1000) > 0)
		for (unsigned i = 0; i < 2; i++) {
			struct seen seen;
			if (!(in[i].revents & POLLIN) || !reader_next(&readers[i], &seen) || seen.id > FLOWS)
				continue;
			strays += owner[seen.id - 1] == 2 - i;
			owner[seen.id - 1] = 1 + i;
			count[seen.id - 1]++;
			of[i]++;
			got++;
		}
	unsigned whole = 0;
	for (unsigned i = 0; i < FLOWS; i++)
		whole += count[i] == EACH;
	is_num(whole, FLOWS, "each packet came to one of them");
	is_num(strays, 0, "all of a flow, both ways, to the same");
	ok(of[0] && of[1], "and each had some (%u and %u packets)", of[0], of[1]);
	is_num(capture_look(&capture).received, ALL, "they are counted together");
	for (unsigned i = 0; i < 2; i++)
		ok(reader_stop(&readers[i]), "worker %u was alive", i + 1);
	capture_end(&capture);
}

static void test_death(void)
{
	struct capture capture;
	struct seen seen = {0};
	if (!ok(!capture_begin(&capture, "v0", "", 1), "a capture whose readers die"))
		return;
	struct reader reader = reader_start(&capture, 0, 0);
	send_id("v1", 1);
	ok(reader_gets(&reader, 1, 1), "the first has read a block");
	ok(reader_stop(&reader), "and is killed");
	send_many(2, 2000);
	/* Batches are of 8 at most, and a block of 256 KiB has about 230 of these: it dies within one. */
	reader = reader_start(&capture, 0, 600);
	uint32_t last = 1;
	while (reader_next(&reader, &seen) && seen.id == last + 1)
		last = seen.id;
	ok(seen.id == HOLDING && last > 600 && last < 610, "the second goes on behind it, as far as %u",
	   last);
	ok(reader_stop(&reader), "and is killed with a block in hand");
	reader = reader_start(&capture, 0, 0);
	ok(reader_gets(&reader, last + 1, 2001 - last), "the third goes on behind what that one had in hand");
	/* More than the ring holds, in turns: it would stall at a block that nobody gives back. */
	bool all = true;
	for (uint32_t round = 0; all && round < 20; round++) {
		send_many(3000 + round * 1000, 1000);
		all = reader_gets(&reader, 3000 + round * 1000, 1000);
	}
	ok(all, "and round the ring");
	ok(reader_stop(&reader), "it was alive");
	is_num(capture_look(&capture).dropped, 0, "nothing was dropped");
	capture_end(&capture);
}

/* What a worker that was taken over can leave behind: it may write all over the ring. */
static void ruin(int fd, bool all)
{
	uint8_t *ring = mmap(NULL, RING_BYTES, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
	if (ring == MAP_FAILED)
		_exit(1);
	/* A block that claims to be the last one opened. */
	struct tpacket_block_desc *last = (void *)(ring + RING_BYTES / 2);
	last->hdr.bh1.seq_num = UINT64_MAX / 2;
	for (uint32_t i = 0; all && i < RING_BYTES; i += 4)
		memcpy(ring + i, &(uint32_t){(i * 2654435761u) | 2}, 4);
	_exit(0);
}

static bool ruined(int fd, bool all)
{
	int status = 0;
	pid_t vandal = fork();
	if (!vandal)
		ruin(fd, all);
	waitpid(vandal, &status, 0);
	return status == 0;
}

static void test_ruin(void)
{
	struct capture capture;
	struct seen seen = {0};
	if (!ok(!capture_begin(&capture, "v0", "", 1), "a capture whose ring is ruined"))
		return;
	ok(ruined(capture.fds[0], false), "so that a reader looks for packets in the wrong place");
	struct reader astray = reader_start(&capture, 0, 0);
	send_many(1, 1000);
	ok(reader_gets(&astray, 1, 1000), "which finds the right one");
	reader_stop(&astray);
	ok(ruined(capture.fds[0], true), "in all of its bytes");
	struct reader reader = reader_start(&capture, 0, 0);
	/* Nothing is promised of what was there before; then all must be right again. */
	for (uint32_t id = 1; seen.id != HOLDING - 1 && id < 200; id++) {
		struct pollfd in = {.fd = reader.in, .events = POLLIN};
		send_id("v1", HOLDING - 1);
		while (seen.id != HOLDING - 1 && poll(&in, 1, 100) == 1 && reader_next(&reader, &seen))
			;
	}
	is_num(seen.id, HOLDING - 1, "is read again");
	send_many(1, 2000);
	while (reader_next(&reader, &seen) && seen.id == HOLDING - 1)
		;
	ok(seen.id == 1 && reader_gets(&reader, 2, 1999), "and in order");
	ok(reader_stop(&reader), "by a reader that lives");
	capture_end(&capture);
}

static void test_overrun(void)
{
	struct capture capture;
	struct seen seen = {0};
	if (!ok(!capture_begin(&capture, "v0", "", 1), "a capture that nobody reads"))
		return;
	send_many(1, 18000);
	struct sense_live_stats stats = capture_look(&capture);
	is_num(stats.received, 18000, "all packets are counted");
	ok(stats.dropped > 2000 && stats.dropped < stats.received, "and those dropped (%llu)",
	   (unsigned long long)stats.dropped);
	is_num(capture_look(&capture).dropped, stats.dropped, "which a second look does not forget");
	struct reader reader = reader_start(&capture, 0, 0);
	uint32_t kept = 0, latest = 0;
	/* Not all of them the first: a packet that comes in the moment in which the kernel's timer closes a block is
	 * dropped, and counted so, though there is room in the next one (tpacket_rcv looks at it without the lock). */
	while (kept < stats.received - stats.dropped && reader_next(&reader, &seen) && seen.id > latest) {
		latest = seen.id;
		kept++;
	}
	is_num(kept, stats.received - stats.dropped, "who comes late reads the others");
	send_many(20000, 3000);
	uint32_t after = 0;
	while (after < 500 && reader_next(&reader, &seen))
		after++;
	is_num(after, 500, "and goes on");
	reader_stop(&reader);
	capture_end(&capture);
}

static void test_refusals(void)
{
	struct capture capture;
	void *opened;
	int status = 0, fd = open("/dev/null", O_RDONLY | O_CLOEXEC);
	is_num(plugin->capture->open(&host, "null", fd, 0, &opened, &error), SENSE_E_UNSUPPORTED,
	       "a descriptor that no capture made is refused");
	is_num(capture_begin(&capture, NULL, "", 0), SENSE_E_LIMIT, "so is a capture without workers");
	pid_t child = fork();
	if (!child) {
		bool refused =
		    !setresuid(65534, 65534, 65534) && capture_begin(&capture, NULL, "", 1) == SENSE_E_IO;
		_exit(refused && strstr(error.message, "CAP_NET_RAW") ? 0 : 1);
	}
	waitpid(child, &status, 0);
	is_num(status, 0, "without privilege it says which is missing");
	ok(!capture_begin(&capture, NULL, "", 1), "a capture of all interfaces");
	struct sense_live_interface all[16];
	unsigned n = plugin->live->interfaces(capture.live, all, 16), lo = 0;
	for (unsigned i = 0; i < n; i++)
		lo += !strcmp(all[i].name, "lo") && all[i].up && !all[i].wanted_by_name;
	is_num(lo, 1, "lists what there is");
	capture_end(&capture);
	close(fd);
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
	test_loopback();
	test_veth();
	test_stacked();
	test_vanishing();
	test_filter();
	test_tun();
	test_snaplen();
	test_workers();
	test_death();
	test_ruin();
	test_overrun();
	test_refusals();
	return tap_done();
}
