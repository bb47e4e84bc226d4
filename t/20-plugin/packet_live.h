/*
 * A network of its own to capture in, frames to send there, and a reader as the agent has it: a process
 * forked from the one that began the capture, locked down, which tells what it reads.
 */
#ifndef SENSE_T_PACKET_LIVE_H
#define SENSE_T_PACKET_LIVE_H

#include <arpa/inet.h>
#include <fcntl.h>
#include <linux/if_packet.h>
#include <net/if.h>
#include <poll.h>
#include <sched.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/ioctl.h>
#include <sys/prctl.h>
#include <sys/select.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include "core/base/status.h"
#include "core/platform/platform.h"
#include "core/plugin/loader.h"
#include "t/tap.h"

enum {
	PORT = 4242,
	HEADERS = 14 + 20 + 8, /* Ethernet, IPv4, UDP */
	EXIT_ENDED = 4,        /* of a reader to which `read` gave no packets */
	HOLDING = 0x7fffffff,  /* in place of an id: a reader has read what it was to, and keeps it */
	PATIENCE_S = 20,       /* keeps a failing test from hanging; nothing is measured by it */
	RING_BYTES = 7 << 20 /* too little to be two rings */
};

static const struct sense_plugin *plugin;
static sense_error error;

__attribute__((format(printf, 3, 4))) static void quiet(enum sense_log_level level, const char *who,
                                                        const char *fmt, ...)
{
	(void)level;
	(void)who;
	(void)fmt;
}

static volatile sig_atomic_t ended;

static void on_end(int sig)
{
	(void)sig;
	ended = 1;
}

static bool is_ending(void)
{
	return ended;
}

/* As the agent waits: until there is something, and doing other things now and then. */
static void wait_readable(int fd)
{
	int ready = 0;
	while (ready == 0 && !ended) {
		struct timeval wait = {.tv_usec = 100000};
		fd_set set;
		FD_ZERO(&set);
		FD_SET(fd, &set);
		ready = select(fd + 1, &set, NULL, NULL, &wait);
	}
}

static const struct sense_host host = {
    .size = sizeof host, .log = quiet, .fail = sense_fail, .wait = wait_readable, .ending = is_ending};

/* ---- the network ----------------------------------------------------------------------------- */

__attribute__((format(printf, 1, 2))) static bool ip(const char *fmt, ...)
{
	char command[256] = "ip ";
	va_list args;
	va_start(args, fmt);
	vsnprintf(command + 3, sizeof command - 3, fmt, args);
	va_end(args);
	return system(command) == 0;
}

static void say(const char *file, const char *text)
{
	int fd = open(file, O_WRONLY | O_CLOEXEC);
	if (fd < 0)
		return;
	if (write(fd, text, strlen(text)) < 0)
		fprintf(stderr, "# %s cannot be set\n", file);
	close(fd);
}

/* NULL, or why there is none. IPv6 would talk of its own accord. */
static const char *network_make(void)
{
	if (geteuid())
		return "needs root";
	if (unshare(CLONE_NEWNET))
		return "needs a network namespace of its own, which this system does not give";
	say("/proc/sys/net/ipv6/conf/all/disable_ipv6", "1");
	say("/proc/sys/net/ipv6/conf/default/disable_ipv6", "1");
	return ip("link set lo up") ? NULL : "needs the command ip (iproute2)";
}

/* A link that came up sends nothing until the kernel has given it a queue, which takes it a while. */
static bool settled(const char *interface)
{
	struct ifreq request = {0};
	int fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	snprintf(request.ifr_name, sizeof request.ifr_name, "%s", interface);
	for (unsigned i = 0; i < PATIENCE_S * 200 && !(request.ifr_flags & IFF_RUNNING); i++) {
		usleep(5000);
		if (ioctl(fd, SIOCGIFFLAGS, &request))
			break;
	}
	close(fd);
	/* Waits for the lock under which that is done. */
	return request.ifr_flags & IFF_RUNNING && ip("link set lo up");
}

static bool veth_make(const char *one, const char *other)
{
	return ip("link add %s type veth peer name %s", one, other) && ip("link set %s arp off up", one) &&
	       ip("link set %s arp off up", other) && settled(one) && settled(other);
}

/* ---- frames ---------------------------------------------------------------------------------- */

struct frame {
	uint8_t bytes[2048];
	size_t size;
};

struct datagram {
	uint32_t id; /* in its payload */
	uint16_t from_port, to_port;
	bool back;              /* addresses the other way round */
	size_t payload;         /* 4 at least */
	uint16_t tag_type, tag; /* 0: none */
};

static void put16(uint8_t *at, unsigned v)
{
	at[0] = (uint8_t)(v >> 8);
	at[1] = (uint8_t)v;
}

static struct frame frame_of(const struct datagram *datagram)
{
	static const uint8_t macs[12] = {2, 0, 0, 0, 0, 1, 2, 0, 0, 0, 0, 2};
	struct frame frame = {.size = HEADERS + datagram->payload};
	uint8_t *p = frame.bytes, *at = p + 14;
	uint32_t id = htonl(datagram->id), sum = 0;
	memcpy(p, macs, sizeof macs);
	put16(p + 12, 0x0800);
	at[0] = 0x45;
	put16(at + 2, (unsigned)(28 + datagram->payload));
	at[8] = 64;
	at[9] = IPPROTO_UDP;
	memcpy(at + 12, datagram->back ? "\x0a\1\1\2\x0a\1\1\1" : "\x0a\1\1\1\x0a\1\1\2", 8);
	for (unsigned i = 0; i < 20; i += 2)
		sum += (unsigned)at[i] << 8 | at[i + 1];
	put16(at + 10, ~(sum % 0xffff) & 0xffff);
	put16(at + 20, datagram->from_port);
	put16(at + 22, datagram->to_port);
	put16(at + 24, (unsigned)(8 + datagram->payload));
	memcpy(at + 28, &id, sizeof id);
	if (datagram->tag_type) {
		memmove(p + 16, p + 12, frame.size - 12);
		put16(p + 12, datagram->tag_type);
		put16(p + 14, datagram->tag);
		frame.size += 4;
	}
	return frame;
}

static bool send_at(const char *interface, const struct datagram *datagram)
{
	struct frame frame = frame_of(datagram);
	struct sockaddr_ll to = {
	    .sll_family = AF_PACKET, .sll_ifindex = (int)if_nametoindex(interface), .sll_halen = 6};
	static int fd = -1; /* one for all: to close such a socket takes the kernel a while */
	if (fd < 0)
		fd = socket(AF_PACKET, SOCK_RAW | SOCK_CLOEXEC, 0);
	return sendto(fd, frame.bytes, frame.size, 0, (struct sockaddr *)&to, sizeof to) ==
	       (ssize_t)frame.size;
}

static bool send_id(const char *interface, uint32_t id)
{
	return send_at(interface,
	               &(struct datagram){.id = id, .from_port = 1111, .to_port = PORT, .payload = 18});
}

/* To a socket at 127.0.0.1, so that nobody answers that there is none. */
static bool send_loopback(uint32_t id, size_t payload)
{
	static uint8_t bytes[65536];
	struct sockaddr_in at = {
	    .sin_family = AF_INET, .sin_port = htons(PORT), .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
	int to = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0),
	    from = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	uint32_t number = htonl(id);
	memcpy(bytes, &number, sizeof number);
	bool sent = !bind(to, (struct sockaddr *)&at, sizeof at) &&
	            sendto(from, bytes, payload, 0, (struct sockaddr *)&at, sizeof at) == (ssize_t)payload;
	close(to);
	close(from);
	return sent;
}

/* ---- a capture and its readers --------------------------------------------------------------- */

struct seen {
	uint64_t ts_us;
	uint32_t caplen, len;
	uint16_t link, iface;
	uint32_t id; /* of our datagram; 0: another packet */
	uint8_t head[64];
};

/* The id lies behind the UDP header, which is behind what the link type and a tag say. */
static uint32_t id_of(const struct sense_packet *packet)
{
	uint32_t at = packet->link == 1 ? 14 : 0, id = 0;
	if (packet->link == 1 && packet->caplen > 14 && packet->data[12] != 0x08)
		at += 4;
	if (packet->caplen >= at + 32 && packet->data[at] == 0x45 && packet->data[at + 9] == IPPROTO_UDP)
		memcpy(&id, packet->data + at + 28, sizeof id);
	return ntohl(id);
}

struct capture {
	void *live;
	int fds[4];
};

/* Ends when it is killed, or by SIGTERM as an agent that is stopped. Once it told of `hold` packets (0:
 * never) it keeps those in hand. */
static void reader_main(const struct capture *of, unsigned worker, int out, unsigned hold)
{
	const struct sense_capture_ops *ops = plugin->capture;
	int fd = of->fds[worker], keep[4] = {fd};
	struct sense_platform_lockdown lockdown = {
	    .out = out,
	    .keep = keep,
	    .keep_count = 1 + plugin->live->keeps(of->live, worker, keep + 1, 3)};
	struct sense_packet packets[8];
	unsigned count = 1, told = 0;
	void *capture = NULL;
	prctl(PR_SET_PDEATHSIG, SIGKILL);
	signal(SIGTERM, on_end);
	if (sense_platform_lockdown(&lockdown, &error) || ops->open(&host, "live", fd, 0, &capture, &error) ||
	    ops->position(capture) || send(out, &(struct seen){0}, sizeof(struct seen), 0) < 0)
		_exit(1);
	while (count && !ops->read(capture, packets, 8, &count, &error)) {
		for (unsigned i = 0; i < count; i++) {
			const struct sense_packet *packet = &packets[i];
			struct seen seen = {.ts_us = packet->ts_us,
			                    .caplen = packet->caplen,
			                    .len = packet->len,
			                    .link = packet->link,
			                    .iface = packet->iface,
			                    .id = id_of(packet)};
			memcpy(seen.head, packet->data, packet->caplen < 64 ? packet->caplen : 64);
			if (send(out, &seen, sizeof seen, 0) < 0)
				_exit(2);
		}
		told += count;
		if (!hold || told < hold)
			continue;
		send(out, &(struct seen){.id = HOLDING}, sizeof(struct seen), 0);
		for (;;)
			wait_readable(out);
	}
	_exit(count ? 3 : EXIT_ENDED);
}

struct reader {
	pid_t pid;
	int in;
};

static struct reader reader_start(const struct capture *capture, unsigned worker, unsigned hold)
{
	int ends[2];
	if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, ends))
		abort();
	struct reader reader = {.pid = fork(), .in = ends[0]};
	if (!reader.pid)
		reader_main(capture, worker, ends[1], hold);
	close(ends[1]);
	struct seen ready;
	if (recv(reader.in, &ready, sizeof ready, 0) != sizeof ready)
		ok(false, "a reader can open the capture");
	return reader;
}

/* False: it was none of ours that ended it. */
static bool reader_stop(struct reader *reader)
{
	int status = 0;
	kill(reader->pid, SIGKILL);
	waitpid(reader->pid, &status, 0);
	close(reader->in);
	return WIFSIGNALED(status) && WTERMSIG(status) == SIGKILL;
}

/* The next datagram of ours that it read; what others sent is passed over. */
static bool reader_next(const struct reader *reader, struct seen *seen)
{
	struct pollfd in = {.fd = reader->in, .events = POLLIN};
	while (poll(&in, 1, PATIENCE_S * 1000) == 1 &&
	       recv(reader->in, seen, sizeof *seen, 0) == sizeof *seen)
		if (seen->id)
			return true;
	seen->id = 0;
	return false;
}

/* It reads first, first + 1, ... and nothing else between. */
static bool reader_gets(const struct reader *reader, uint32_t first, uint32_t count)
{
	for (uint32_t i = 0; i < count; i++) {
		struct seen seen;
		if (!reader_next(reader, &seen) || seen.id != first + i) {
			fprintf(stderr, "#   got %u, want %u\n", seen.id, first + i);
			return false;
		}
	}
	return true;
}

static uint64_t ring_bytes = RING_BYTES;

static enum sense_status capture_begin(struct capture *capture, const char *interface, const char *filter,
                                       unsigned workers)
{
	struct sense_live_want want = {.size = sizeof want,
	                               .interfaces = &interface,
	                               .interface_count = interface ? 1 : 0,
	                               .workers = workers,
	                               .ring_bytes = ring_bytes,
	                               .snaplen = 262144,
	                               .filter = filter};
	error.message[0] = '\0';
	enum sense_status status = plugin->live->begin(&host, &want, &capture->live, capture->fds, &error);
	if (status)
		fprintf(stderr, "# %s\n", error.message);
	return status;
}

/* Frames of 1000 bytes, 230 of which fill a block of 256 KiB. */
static void send_many(uint32_t first, uint32_t count)
{
	struct datagram datagram = {.from_port = 1111, .to_port = PORT, .payload = 1000};
	for (uint32_t i = 0; i < count; i++) {
		datagram.id = first + i;
		send_at("v1", &datagram);
	}
}

static void capture_end(struct capture *capture)
{
	plugin->live->end(capture->live);
}

static struct sense_live_stats capture_look(struct capture *capture)
{
	struct sense_live_stats stats = {0};
	if (plugin->live->look(capture->live, &stats, &error))
		ok(false, "a look succeeds");
	return stats;
}

/* NULL, or why nothing can be tested here. */
static const char *plugin_load(void)
{
	const char *build = getenv("SENSE_BUILD"), *missing = network_make();
	char dir[1024];
	if (missing)
		return missing;
	alarm(6 * PATIENCE_S); /* readers die with it */
	snprintf(dir, sizeof dir, "%s%s/plugins", build && *build == '/' ? "" : "./",
	         build ? build : "build");
	plugin = sense_plugin_load(dir, "packet", &error);
	if (!ok(plugin && plugin->live && plugin->capture && plugin->platform, "packet captures, live"))
		fprintf(stderr, "# %s\n", error.message);
	return NULL;
}

#endif
