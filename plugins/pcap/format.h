/*
 * The two formats of captures: classic pcap (draft-ietf-opsawg-pcap) and pcapng
 * (draft-ietf-opsawg-pcapng), in either byte order.
 */
#ifndef PCAP_FORMAT_H
#define PCAP_FORMAT_H

#include "source.h"

enum {
	PACKET_MAX = 256 * 1024, /* the largest snapshot length that libpcap hands out */
	INTERFACES_MAX = 1024    /* of one section */
};

struct classic {
	bool swapped;
	bool nanoseconds;
	uint16_t link;
	uint32_t record; /* bytes before the data of a packet */
	uint32_t caplen_at;
};

struct interface {
	uint64_t units;     /* of its clock, a second */
	uint64_t offset_us; /* added to each time, modulo 2^64 */
	uint32_t snaplen;   /* 0: none */
	uint16_t link;
};

struct pcapng {
	bool swapped;
	uint32_t count; /* of interfaces in this section */
	uint32_t room;
	uint64_t last_ts; /* what packets without a time of their own get */
	uint64_t behind;  /* position behind the last packet: interfaces declared later come again */
	struct interface *interfaces;
};

static inline uint16_t get16(const uint8_t *p, bool swapped)
{
	uint16_t v;
	__builtin_memcpy(&v, p, sizeof v);
	return swapped ? __builtin_bswap16(v) : v;
}

static inline uint32_t get32(const uint8_t *p, bool swapped)
{
	uint32_t v;
	__builtin_memcpy(&v, p, sizeof v);
	return swapped ? __builtin_bswap32(v) : v;
}

static inline uint64_t get64(const uint8_t *p, bool swapped)
{
	uint64_t v;
	__builtin_memcpy(&v, p, sizeof v);
	return swapped ? __builtin_bswap64(v) : v;
}

/* True when a file that begins with this word has the format. */
bool classic_magic(uint32_t magic);
bool pcapng_magic(uint32_t magic);

/* `open` reads the file header, `read` is that of struct sense_capture_ops. */
enum sense_status classic_open(struct classic *classic, struct source *source, sense_error *err);
enum sense_status classic_read(struct classic *classic, struct source *source,
                               struct sense_packet *packets, unsigned max, unsigned *count,
                               sense_error *err);

enum sense_status pcapng_read(struct pcapng *pcapng, struct source *source,
                              struct sense_packet *packets, unsigned max, unsigned *count,
                              sense_error *err);
void pcapng_fini(struct pcapng *pcapng);

#endif
