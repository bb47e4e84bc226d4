#include "format.h"

#include <stdlib.h>
#include <string.h>

enum {
	BLOCK_SECTION = 0x0a0d0d0a, /* reads the same in both byte orders */
	BLOCK_INTERFACE = 1,
	BLOCK_PACKET = 2, /* obsolete, still met */
	BLOCK_SIMPLE = 3,
	BLOCK_ENHANCED = 6,
	BYTE_ORDER_MAGIC = 0x1a2b3c4d,
	BLOCK_MIN = 12,    /* type, length, length again */
	BLOCK_HEAD = 8,    /* type, length */
	SECTION_MIN = 28,
	SECTION_HEAD = 16, /* with its byte order and version */
	OPTION_TSRESOL = 9,
	OPTION_TSOFFSET = 14
};

struct block {
	uint32_t type;
	uint32_t total;
	const uint8_t *body;
	uint32_t length; /* of body */
};

bool pcapng_magic(uint32_t magic)
{
	return magic == BLOCK_SECTION;
}

void pcapng_fini(struct pcapng *pcapng)
{
	free(pcapng->interfaces);
}

__attribute__((noinline)) static enum sense_status
bad_block(const struct source *source, sense_error *err, const struct block *block, const char *why)
{
	return source->host->fail(err, SENSE_E_FORMAT, "pcap", "%s: block of type %u at offset %llu: %s",
	                          source->name, block->type,
	                          (unsigned long long)source_position(source), why);
}

/* ---- sections and interfaces --------------------------------------------------------------------- */

/* A section header tells the byte order of all that follows, its own length included. */
static enum sense_status enter_section(struct pcapng *pcapng, struct source *source,
                                       sense_error *err)
{
	struct block block = {.type = BLOCK_SECTION};
	const uint8_t *p = source_at(source);
	pcapng->swapped = get32(p + 8, false) != BYTE_ORDER_MAGIC;
	pcapng->count = 0;
	if (get32(p + 8, pcapng->swapped) != BYTE_ORDER_MAGIC)
		return bad_block(source, err, &block, "a section header without its byte order");
	unsigned major = get16(p + 12, pcapng->swapped);
	if (major != 1)
		return source->host->fail(err, SENSE_E_UNSUPPORTED, "pcap",
		                          "%s: section at offset %llu is of pcapng version %u; 1 can be read",
		                          source->name, (unsigned long long)source_position(source),
		                          major);
	return SENSE_OK;
}

/* if_tsresol: a negative power of ten, or of two when the first bit is set. */
static bool clock_units(uint8_t resolution, uint64_t *units)
{
	unsigned exponent = resolution & 0x7f;
	if (resolution & 0x80) {
		*units = exponent < 64 ? UINT64_C(1) << exponent : 0;
		return exponent < 64;
	}
	for (*units = 1; exponent; exponent--)
		if (__builtin_mul_overflow(*units, 10, units))
			return false;
	return true;
}

static bool interface_options(struct interface *interface, const uint8_t *p, uint32_t left,
                              bool swapped)
{
	while (left >= 4) {
		unsigned code = get16(p, swapped);
		uint32_t length = get16(p + 2, swapped), padded = (length + 3) & ~3u;
		if (code == 0)
			break;
		if (left - 4 < length)
			return false;
		if (code == OPTION_TSRESOL && (length < 1 || !clock_units(p[4], &interface->units)))
			return false;
		if (code == OPTION_TSOFFSET && length < 8)
			return false;
		if (code == OPTION_TSOFFSET)
			interface->offset_us = get64(p + 4, swapped) * UINT64_C(1000000);
		if (left - 4 < padded)
			break;
		p += 4 + padded;
		left -= 4 + padded;
	}
	return true;
}

static enum sense_status add_interface(struct pcapng *pcapng, const struct source *source,
                                       const struct block *block, sense_error *err)
{
	if (block->length < 8)
		return bad_block(source, err, block, "too short for an interface");
	if (pcapng->count == INTERFACES_MAX)
		return source->host->fail(err, SENSE_E_LIMIT, "pcap",
		                          "%s: more than %u interfaces in one section at offset %llu",
		                          source->name, (unsigned)INTERFACES_MAX,
		                          (unsigned long long)source_position(source));
	if (pcapng->count == pcapng->room) {
		uint32_t room = pcapng->room ? pcapng->room * 2 : 8;
		struct interface *grown = realloc(pcapng->interfaces, room * sizeof *grown);
		if (!grown)
			return source->host->fail(err, SENSE_E_MEMORY, "pcap",
			                          "%s: no memory for %u interfaces", source->name, room);
		pcapng->interfaces = grown;
		pcapng->room = room;
	}
	struct interface interface = {.units = 1000000,
	                              .link = get16(block->body, pcapng->swapped),
	                              .snaplen = get32(block->body + 4, pcapng->swapped)};
	if (!interface_options(&interface, block->body + 8, block->length - 8, pcapng->swapped))
		return bad_block(source, err, block, "an option of the interface is malformed");
	pcapng->interfaces[pcapng->count++] = interface;
	return SENSE_OK;
}

/* ---- packets ------------------------------------------------------------------------------------- */

static uint64_t time_us(const struct interface *interface, uint32_t high, uint32_t low)
{
	__extension__ typedef unsigned __int128 u128;
	uint64_t ticks = (uint64_t)high << 32 | low;
	if (interface->units == 1000000)
		return ticks + interface->offset_us;
	if (interface->units == 1000000000)
		return ticks / 1000 + interface->offset_us;
	return (uint64_t)((u128)ticks * 1000000 / interface->units) + interface->offset_us;
}

static enum sense_status timed_packet(struct pcapng *pcapng, const struct source *source,
                                      const struct block *block, struct sense_packet *packet,
                                      sense_error *err)
{
	const bool swapped = pcapng->swapped;
	const uint8_t *p = block->body;
	if (block->length < 20)
		return bad_block(source, err, block, "too short for a packet");
	uint32_t iface = block->type == BLOCK_ENHANCED ? get32(p, swapped) : get16(p, swapped);
	if (iface >= pcapng->count)
		return bad_block(source, err, block, "a packet of an interface that is not declared");
	uint32_t caplen = get32(p + 12, swapped), len = get32(p + 16, swapped);
	if (caplen > block->length - 20)
		return bad_block(source, err, block, "its packet is longer than the block");
	const struct interface *interface = &pcapng->interfaces[iface];
	pcapng->last_ts = time_us(interface, get32(p + 4, swapped), get32(p + 8, swapped));
	*packet = (struct sense_packet){.data = p + 20,
	                                .ts_us = pcapng->last_ts,
	                                .caplen = caplen,
	                                .len = len < caplen ? caplen : len,
	                                .link = interface->link,
	                                .iface = (uint16_t)iface};
	return SENSE_OK;
}

/* A simple packet belongs to the first interface, and its captured length is implied. */
static enum sense_status simple_packet(struct pcapng *pcapng, const struct source *source,
                                       const struct block *block, struct sense_packet *packet,
                                       sense_error *err)
{
	if (block->length < 4)
		return bad_block(source, err, block, "too short for a packet");
	if (pcapng->count == 0)
		return bad_block(source, err, block, "a packet of an interface that is not declared");
	uint32_t len = get32(block->body, pcapng->swapped), caplen = block->length - 4;
	const struct interface *interface = &pcapng->interfaces[0];
	if (caplen > len)
		caplen = len;
	if (interface->snaplen && caplen > interface->snaplen)
		caplen = interface->snaplen;
	*packet = (struct sense_packet){.data = block->body + 4,
	                                .ts_us = pcapng->last_ts,
	                                .caplen = caplen,
	                                .len = len,
	                                .link = interface->link};
	return SENSE_OK;
}

static bool is_packet(uint32_t type)
{
	return type == BLOCK_ENHANCED || type == BLOCK_SIMPLE || type == BLOCK_PACKET;
}

static enum sense_status read_packet(struct pcapng *pcapng, const struct source *source,
                                     const struct block *block, struct sense_packet *packet,
                                     sense_error *err)
{
	enum sense_status status =
	    block->type == BLOCK_SIMPLE ? simple_packet(pcapng, source, block, packet, err)
	                                : timed_packet(pcapng, source, block, packet, err);
	if (!status && packet->caplen > PACKET_MAX)
		return source->host->fail(
		    err, SENSE_E_LIMIT, "pcap",
		    "%s: the packet at offset %llu claims %u bytes; at most %u are accepted",
		    source->name, (unsigned long long)source_position(source), packet->caplen,
		    (unsigned)PACKET_MAX);
	return status;
}

/* ---- blocks -------------------------------------------------------------------------------------- */

/* Type and length of the block in front. */
static enum sense_status block_head(struct pcapng *pcapng, struct source *source,
                                    struct block *block, sense_error *err)
{
	enum sense_status status = SENSE_OK;
	block->type = get32(source_at(source), pcapng->swapped);
	if (block->type == BLOCK_SECTION) {
		if (source_have(source) < SECTION_HEAD)
			status = source_require(source, SECTION_HEAD, "section header", err);
		if (!status)
			status = enter_section(pcapng, source, err);
		if (status)
			return status;
	}
	block->total = get32(source_at(source) + 4, pcapng->swapped);
	uint32_t least = block->type == BLOCK_SECTION ? SECTION_MIN : BLOCK_MIN;
	if (block->total < least || block->total % 4)
		return bad_block(source, err, block, "its length is impossible");
	return SENSE_OK;
}

/* Takes the whole block in front, which must be in the buffer; *n grows if it was a packet. */
static enum sense_status take_block(struct pcapng *pcapng, struct source *source,
                                    struct block *block, struct sense_packet *packets, unsigned *n,
                                    sense_error *err)
{
	const uint8_t *p = source_at(source);
	enum sense_status status = SENSE_OK;
	bool packet = is_packet(block->type);
	block->body = p + BLOCK_HEAD;
	block->length = block->total - BLOCK_MIN;
	if (get32(p + block->total - 4, pcapng->swapped) != block->total)
		return bad_block(source, err, block, "its two lengths differ");
	if (packet)
		status = read_packet(pcapng, source, block, &packets[*n], err);
	else if (block->type == BLOCK_INTERFACE)
		status = add_interface(pcapng, source, block, err);
	if (status)
		return status;
	source->begin += block->total;
	if (packet) {
		pcapng->behind = source_position(source);
		++*n;
	}
	return SENSE_OK;
}

/* Gets a block into the buffer that is not there yet, or passes over it. */
static enum sense_status fetch_block(struct source *source, const struct block *block,
                                     sense_error *err)
{
	if (!is_packet(block->type) && block->type != BLOCK_INTERFACE && block->type != BLOCK_SECTION)
		return source_skip(source, block->total, "block", err);
	if (block->total > SOURCE_REQUIRE_MAX)
		return source->host->fail(
		    err, SENSE_E_LIMIT, "pcap",
		    "%s: the block at offset %llu claims %u bytes; at most %u are accepted", source->name,
		    (unsigned long long)source_position(source), block->total,
		    (unsigned)SOURCE_REQUIRE_MAX);
	return source_require(source, block->total, "block", err);
}

enum sense_status pcapng_read(struct pcapng *pcapng, struct source *source,
                              struct sense_packet *packets, unsigned max, unsigned *count,
                              sense_error *err)
{
	unsigned n = 0;
	enum sense_status status = SENSE_OK;
	while (n < max && !status) {
		struct block block;
		/* Once a packet is given out, the buffer must stay as it is until the next call. */
		if (source_have(source) < (n ? SECTION_HEAD : BLOCK_HEAD)) {
			if (!n)
				status = source_require(source, BLOCK_HEAD, "block", err);
			if (n || !source_have(source))
				break;
			continue;
		}
		status = block_head(pcapng, source, &block, err);
		if (status)
			break;
		if (source_have(source) >= block.total)
			status = take_block(pcapng, source, &block, packets, &n, err);
		else if (n)
			break;
		else
			status = fetch_block(source, &block, err);
	}
	*count = n;
	return status;
}
