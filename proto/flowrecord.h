/*
 * A flow as `sense-agent replay --flows` prints it, as a plain struct and as MessagePack.
 * Strings as in proto/finding.h: borrowed, NULL when not known.
 */
#ifndef SENSE_PROTO_FLOWRECORD_H
#define SENSE_PROTO_FLOWRECORD_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define SENSE_FLOWRECORD_BYTES_MAX 8192

struct sense_flowrecord {
	const char *src_ip;
	uint16_t src_port;
	const char *dst_ip;
	uint16_t dst_port;
	uint8_t l4;
	uint16_t vlan;
	uint64_t first_ts, last_ts; /* microseconds since the epoch */
	uint64_t packets_up, packets_down;
	uint64_t bytes_up, bytes_down;
	const char *ndpi_master; /* NULL: none */
	const char *ndpi_app; /* "Unknown": not recognised */
	const char *host;
	const char *host_source;
	const char *alpn;
	const char *ja3;
	const char *ja4;
	const char *tls_version;
	const char *hello;
	bool quic;
	const char *http_method;
	const char *http_path;
	const char *user_agent;
	const char *service;
	const char *service_category;
	const char *process;
};

size_t sense_flowrecord_encode(const struct sense_flowrecord *record, uint8_t *out, size_t cap);
bool sense_flowrecord_decode(const uint8_t *data, size_t len, char *storage, size_t cap,
                             struct sense_flowrecord *record, const char **why);

#endif
