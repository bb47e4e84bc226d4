#include "format.h"

enum {
	MAGIC_MICRO = 0xa1b2c3d4,
	MAGIC_NANO = 0xa1b23c4d,
	MAGIC_PATCHED = 0xa1b2cd34, /* records of 24 bytes, by an old patch of libpcap */
	FILE_HEADER = 24,
	RECORD = 16,
	RECORD_PATCHED = 24,
	CAPLEN_AT = 8, /* in a record; before version 2.3 the two were the other way round */
	LEN_AT = 12,
	LINK_MASK = 0xffff /* the rest of the field tells about the frame check sequence */
};

static bool is_magic(uint32_t magic)
{
	return magic == MAGIC_MICRO || magic == MAGIC_NANO || magic == MAGIC_PATCHED;
}

bool classic_magic(uint32_t magic)
{
	return is_magic(magic) || is_magic(__builtin_bswap32(magic));
}

enum sense_status classic_open(struct classic *classic, struct source *source, sense_error *err)
{
	enum sense_status status = source_require(source, FILE_HEADER, "file header", err);
	if (status)
		return status;
	const uint8_t *p = source_at(source);
	bool swapped = !is_magic(get32(p, false));
	uint32_t magic = get32(p, swapped);
	unsigned major = get16(p + 4, swapped), minor = get16(p + 6, swapped);
	if (major != 2 || minor > 4)
		return source->host->fail(err, SENSE_E_UNSUPPORTED, "pcap",
		                          "%s: is of pcap version %u.%u; 2.0 to 2.4 can be read",
		                          source->name, major, minor);
	*classic = (struct classic){.swapped = swapped,
	                            .nanoseconds = magic == MAGIC_NANO,
	                            .caplen_at = minor < 3 ? LEN_AT : CAPLEN_AT,
	                            .link = get32(p + 20, swapped) & LINK_MASK,
	                            .record = magic == MAGIC_PATCHED ? RECORD_PATCHED : RECORD};
	source->begin += FILE_HEADER;
	return SENSE_OK;
}

enum sense_status classic_read(struct classic *classic, struct source *source,
                               struct sense_packet *packets, unsigned max, unsigned *count,
                               sense_error *err)
{
	const bool swapped = classic->swapped;
	const uint32_t caplen_at = classic->caplen_at, len_at = CAPLEN_AT + LEN_AT - caplen_at;
	unsigned n = 0;
	enum sense_status status = SENSE_OK;
	while (n < max) {
		uint32_t need = classic->record;
		const uint8_t *p = source_at(source);
		if (source_have(source) >= need) {
			uint32_t caplen = get32(p + caplen_at, swapped);
			if (caplen > PACKET_MAX) {
				status = source->host->fail(
				    err, SENSE_E_LIMIT, "pcap",
				    "%s: the packet at offset %llu claims %u bytes; at most %u are accepted",
				    source->name, (unsigned long long)source_position(source), caplen,
				    (unsigned)PACKET_MAX);
				break;
			}
			need += caplen;
		}
		if (source_have(source) < need) {
			if (n)
				break; /* what was given out must stay where it is */
			status = source_require(source, need, "packet", err);
			if (status || !source_have(source))
				break;
			continue;
		}
		uint32_t fraction = get32(p + 4, swapped);
		uint32_t caplen = need - classic->record, len = get32(p + len_at, swapped);
		packets[n++] = (struct sense_packet){
		    .data = p + classic->record,
		    .ts_us = get32(p, swapped) * UINT64_C(1000000) +
		             (classic->nanoseconds ? fraction / 1000 : fraction),
		    .caplen = caplen,
		    .len = len < caplen ? caplen : len,
		    .link = classic->link,
		};
		source->begin += need;
	}
	*count = n;
	return status;
}
