/*
 * Plays captures into an interface at a steady pace: live_send INTERFACE PACKETS_PER_SECOND SECONDS FILE...
 *
 * The packets are kept in memory and played in turns; each turn changes the addresses of all IPv4 packets by
 * the same bits, so that its flows are new ones. They go past the queueing discipline, 32 at a system call
 * (sendmmsg(2)).
 */
#include <arpa/inet.h>
#include <errno.h>
#include <linux/if_packet.h>
#include <net/if.h>
#include <pcap.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

enum { BATCH = 32, LONGEST = 9014, MEMORY_MAX = 256 << 20 };

static struct frame {
	uint8_t *bytes;
	uint32_t size;
} * frames;
static size_t count, room, memory;

static void die(const char *what, const char *why)
{
	fprintf(stderr, "live_send: %s: %s\n", what, why);
	exit(1);
}

static void load(const char *file)
{
	char error[PCAP_ERRBUF_SIZE];
	struct pcap_pkthdr *header;
	const u_char *data;
	pcap_t *pcap = pcap_open_offline(file, error);
	if (!pcap)
		die(file, error);
	if (pcap_datalink(pcap) != DLT_EN10MB)
		die(file, "is not of Ethernet");
	while (pcap_next_ex(pcap, &header, &data) == 1 && memory < MEMORY_MAX) {
		if (header->caplen != header->len || header->len > LONGEST || header->len < 34)
			continue;
		if (count == room) {
			room = room ? room * 2 : 1024;
			frames = realloc(frames, room * sizeof *frames);
			if (!frames)
				die(file, "no memory");
		}
		uint8_t *copy = malloc(header->len);
		if (!copy)
			die(file, "no memory");
		memcpy(copy, data, header->len);
		frames[count++] = (struct frame){copy, header->len};
		memory += header->len;
	}
	pcap_close(pcap);
}

/* From one turn's addresses to the next one's; the IP checksum stays right when both change alike. */
static void change(struct frame *frame, uint8_t bits)
{
	uint8_t *ip = frame->bytes + 14;
	if (frame->bytes[12] != 8 || frame->bytes[13] != 0)
		return;
	ip[13] ^= bits; /* of 12 to 15, the source, and 16 to 19 */
	ip[17] ^= bits;
}

static uint64_t now_ns(void)
{
	struct timespec t;
	clock_gettime(CLOCK_MONOTONIC, &t);
	return (uint64_t)t.tv_sec * 1000000000 + (uint64_t)t.tv_nsec;
}

static int socket_at(const char *interface)
{
	struct sockaddr_ll at = {.sll_family = AF_PACKET, .sll_ifindex = (int)if_nametoindex(interface)};
	int on = 1, fd = socket(AF_PACKET, SOCK_RAW, 0);
	if (fd < 0 || !at.sll_ifindex || bind(fd, (struct sockaddr *)&at, sizeof at))
		die(interface, strerror(errno));
	setsockopt(fd, SOL_PACKET, PACKET_QDISC_BYPASS, &on, sizeof on);
	return fd;
}

int main(int argc, char **argv)
{
	struct mmsghdr messages[BATCH];
	struct iovec parts[BATCH];
	if (argc < 5)
		die("usage", "live_send INTERFACE PACKETS_PER_SECOND SECONDS FILE...");
	double pace = atof(argv[2]), seconds = atof(argv[3]);
	for (int i = 4; i < argc; i++)
		load(argv[i]);
	if (!count)
		die(argv[4], "nothing to send");
	int fd = socket_at(argv[1]);
	uint64_t sent = 0, bytes = 0, failed = 0, start = now_ns(), end = start + (uint64_t)(seconds * 1e9);
	size_t next = 0;
	uint8_t turn = 0, bits = 0;
	while (now_ns() < end) {
		memset(messages, 0, sizeof messages);
		for (unsigned i = 0; i < BATCH; i++, next++) {
			if (next == count) {
				next = 0;
				bits = turn ^ (uint8_t)(turn + 1);
				turn++;
			}
			change(&frames[next], bits);
			parts[i] = (struct iovec){frames[next].bytes, frames[next].size};
			messages[i].msg_hdr = (struct msghdr){.msg_iov = &parts[i], .msg_iovlen = 1};
			bytes += frames[next].size;
		}
		int done = sendmmsg(fd, messages, BATCH, 0);
		failed += (uint64_t)(BATCH - (done < 0 ? 0 : done));
		sent += (uint64_t)(done < 0 ? 0 : done);
		uint64_t due = start + (uint64_t)((double)(sent + failed) / pace * 1e9);
		struct timespec until = {(time_t)(due / 1000000000), (long)(due % 1000000000)};
		if (due > now_ns())
			clock_nanosleep(CLOCK_MONOTONIC, TIMER_ABSTIME, &until, NULL);
	}
	double took = (double)(now_ns() - start) / 1e9;
	printf("sent=%llu failed=%llu rate=%.0f mbit=%.0f turns=%u\n", (unsigned long long)sent,
	       (unsigned long long)failed, (double)sent / took, (double)bytes * 8e-6 / took, turn + 1u);
	return 0;
}
