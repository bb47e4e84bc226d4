/*
 * Makes a large capture from small ones: bench-capture OUT BYTES PACKETS FILE... -- BULK...
 *
 * 64 clients play the files one after the other, interleaved packet by packet, until OUT has both
 * BYTES and PACKETS. Each play gets a new random client address, and each server address of the file
 * a new random one, so that every connection is a flow of its own; names, ports and payloads stay.
 * After every fifth plain file a client plays a bulk one. IP header checksums are right, those of TCP
 * and UDP are left as they are. The same arguments give the same bytes.
 */
#include <pcap.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define PLAYERS 64
#define GAP_US 40 /* between two packets: about 25,000 a second */
#define FILES_MAX 64

struct frame {
	uint32_t caplen, len;
	uint8_t *data;
};

struct file {
	struct frame *frames;
	size_t count;
};

struct player {
	const struct file *file;
	size_t next;
	uint32_t client, server_key;
	unsigned plays;
};

static struct file plain[FILES_MAX], bulk[FILES_MAX];
static unsigned plain_count, bulk_count;
static uint64_t random_state = 0x5e4e5e;

/* splitmix64 (Steele, Lea, Flood 2014). */
static uint64_t mix(uint64_t z)
{
	z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9u;
	z = (z ^ (z >> 27)) * 0x94d049bb133111ebu;
	return z ^ (z >> 31);
}

static uint64_t draw(void)
{
	return mix(random_state += 0x9e3779b97f4a7c15u);
}

static void die(const char *what, const char *why)
{
	fprintf(stderr, "bench-capture: %s: %s\n", what, why);
	exit(1);
}

static void load(struct file *file, const char *path)
{
	char error[PCAP_ERRBUF_SIZE];
	struct pcap_pkthdr *header;
	const u_char *data;
	pcap_t *pcap = pcap_open_offline(path, error);
	if (!pcap)
		die(path, error);
	if (pcap_datalink(pcap) != DLT_EN10MB)
		die(path, "not an Ethernet capture");
	while (pcap_next_ex(pcap, &header, &data) == 1) {
		file->frames = realloc(file->frames, (file->count + 1) * sizeof *file->frames);
		struct frame *frame = &file->frames[file->count++];
		*frame = (struct frame){header->caplen, header->len, malloc(header->caplen + 1)};
		memcpy(frame->data, data, header->caplen);
	}
	pcap_close(pcap);
	if (!file->count)
		die(path, "has no packets");
}

static void put32(uint8_t *at, uint32_t v)
{
	at[0] = (uint8_t)(v >> 24);
	at[1] = (uint8_t)(v >> 16);
	at[2] = (uint8_t)(v >> 8);
	at[3] = (uint8_t)v;
}

/* The lower port is the server's, as in all the sample captures. */
static void readdress(uint8_t *frame, uint32_t caplen, const struct player *player)
{
	uint8_t *ip = frame + 14;
	if (caplen < 38 || frame[12] != 8 || frame[13] != 0 || ip[0] != 0x45)
		return;
	unsigned sport = (unsigned)ip[20] << 8 | ip[21], dport = (unsigned)ip[22] << 8 | ip[23];
	uint8_t *server = sport < dport ? ip + 12 : ip + 16;
	uint8_t *client = sport < dport ? ip + 16 : ip + 12;
	uint32_t old;
	memcpy(&old, server, 4);
	uint32_t address = (uint32_t)mix(player->server_key ^ (uint64_t)old << 32);
	put32(server, (address & 0x3fffffff) | 0x40000000); /* 64.0.0.0/2: public by the look of it */
	put32(client, player->client);
	uint32_t sum = 0;
	ip[10] = ip[11] = 0;
	for (int i = 0; i < 20; i += 2)
		sum += (uint32_t)ip[i] << 8 | ip[i + 1];
	sum = (sum & 0xffff) + (sum >> 16);
	sum = ~((sum & 0xffff) + (sum >> 16));
	ip[10] = (uint8_t)(sum >> 8);
	ip[11] = (uint8_t)sum;
}

static void choose(struct player *player)
{
	bool heavy = bulk_count && player->plays++ % 6 == 5;
	player->file = heavy ? &bulk[draw() % bulk_count] : &plain[draw() % plain_count];
	player->next = 0;
	player->client = 0x0a000000 | (uint32_t)(draw() & 0xffffff);
	player->server_key = (uint32_t)draw();
}

int main(int argc, char **argv)
{
	static struct player players[PLAYERS];
	static uint8_t copy[262144];
	if (argc < 5)
		die("usage", "bench-capture OUT BYTES PACKETS FILE... [-- BULK...]");
	bool heavy = false;
	for (int i = 4; i < argc; i++) {
		if (!strcmp(argv[i], "--"))
			heavy = true;
		else if (heavy && bulk_count < FILES_MAX)
			load(&bulk[bulk_count++], argv[i]);
		else if (plain_count < FILES_MAX)
			load(&plain[plain_count++], argv[i]);
	}
	uint64_t bytes = strtoull(argv[2], NULL, 10), packets = strtoull(argv[3], NULL, 10);
	FILE *out = fopen(argv[1], "wb");
	if (!out)
		die(argv[1], "cannot be written");
	uint32_t head[6] = {0xa1b2c3d4, 4u << 16 | 2, 0, 0, 65535, 1};
	fwrite(head, sizeof head, 1, out);
	uint64_t written = sizeof head, count = 0, now = UINT64_C(1790000000) * 1000000;
	for (unsigned i = 0; i < PLAYERS; i++)
		choose(&players[i]);
	while (written < bytes || count < packets) {
		struct player *player = &players[count % PLAYERS];
		if (player->next == player->file->count)
			choose(player);
		const struct frame *frame = &player->file->frames[player->next++];
		memcpy(copy, frame->data, frame->caplen);
		readdress(copy, frame->caplen, player);
		uint32_t record[4] = {(uint32_t)(now / 1000000), (uint32_t)(now % 1000000), frame->caplen,
		                      frame->len};
		fwrite(record, sizeof record, 1, out);
		fwrite(copy, frame->caplen, 1, out);
		written += sizeof record + frame->caplen;
		count++;
		now += GAP_US;
	}
	if (fclose(out))
		die(argv[1], "could not be written whole");
	fprintf(stderr, "%s: %llu packets, %.2f GB\n", argv[1], (unsigned long long)count,
	        (double)written / 1e9);
	return 0;
}
