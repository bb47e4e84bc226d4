#include "proto/flowrecord.h"

#include <string.h>

#include "proto/wire.h"

#define MEMBER(member, type)                                                          \
	{                                                                             \
#member, SENSE_WIRE_##type, offsetof(struct sense_flowrecord, member) \
	}

static const struct sense_wire_member members[] = {
    MEMBER(src_ip, STRING),
    MEMBER(src_port, U16),
    MEMBER(dst_ip, STRING),
    MEMBER(dst_port, U16),
    MEMBER(l4, U8),
    MEMBER(vlan, U16),
    MEMBER(first_ts, U64),
    MEMBER(last_ts, U64),
    MEMBER(packets_up, U64),
    MEMBER(packets_down, U64),
    MEMBER(bytes_up, U64),
    MEMBER(bytes_down, U64),
    MEMBER(ndpi_master, STRING),
    MEMBER(ndpi_app, STRING),
    MEMBER(host, STRING),
    MEMBER(host_source, STRING),
    MEMBER(alpn, STRING),
    MEMBER(ja3, STRING),
    MEMBER(ja4, STRING),
    MEMBER(tls_version, STRING),
    MEMBER(hello, STRING),
    MEMBER(quic, BOOL),
    MEMBER(http_method, STRING),
    MEMBER(http_path, STRING),
    MEMBER(user_agent, STRING),
    MEMBER(service, STRING),
    MEMBER(service_category, STRING),
    MEMBER(process, STRING),
};
#define COUNT (sizeof(members) / sizeof(*members))

size_t sense_flowrecord_encode(const struct sense_flowrecord *record, uint8_t *out, size_t cap)
{
	struct sense_wire_writer writer = {
	    .data = out, .cap = cap < SENSE_FLOWRECORD_BYTES_MAX ? cap : SENSE_FLOWRECORD_BYTES_MAX};

	sense_wire_put_map(&writer, sense_wire_count(members, COUNT, record));
	sense_wire_put_members(&writer, members, COUNT, record);
	return writer.full ? 0 : writer.len;
}

static bool read_record(struct sense_wire_reader *reader, struct sense_flowrecord *record)
{
	struct sense_wire_key key;
	uint32_t count;
	bool known;

	if (!sense_wire_get_map(reader, &count))
		return false;
	while (count--) {
		if (!sense_wire_get_key(reader, &key) ||
		    !sense_wire_get_member(reader, &key, members, COUNT, record, &known))
			return false;
		if (!known && !sense_wire_skip(reader))
			return false;
	}
	return reader->at == reader->end || sense_wire_fail(reader, "has bytes behind its end");
}

bool sense_flowrecord_decode(const uint8_t *data, size_t len, char *storage, size_t cap,
			     struct sense_flowrecord *record, const char **why)
{
	struct sense_wire_reader reader = {.at = data, .end = data + len, .storage = storage, .room = cap};

	memset(record, 0, sizeof(*record));
	bool good = len <= SENSE_FLOWRECORD_BYTES_MAX
		      ? read_record(&reader, record)
		      : sense_wire_fail(&reader, "is larger than a flow record may be");
	*why = reader.why;
	return good;
}
