/*
 * A source of bytes: an fd behind one bounded buffer.
 *
 * Regular files are read with pread, anything else with read. Both fill the same buffer, in pieces
 * that fit the second-level cache, so a packet is still there when it is decoded. Mapping the file
 * in windows of 16 MiB was measured too (1 GB, 1.6 M packets, in the page cache): 60 ns a packet
 * against 85-100 ns here and 200-270 ns for libpcap. It was not taken: a file that is cut while it is
 * read would end the process by SIGBUS, the windows count as memory of the agent, and each header
 * is then missed in the cache by whoever looks at it first.
 *
 * Pointers into the buffer hold until the next source_require or source_skip.
 */
#ifndef PCAP_SOURCE_H
#define PCAP_SOURCE_H

#include "core/sense_plugin.h"

enum {
	SOURCE_CHUNK = 128 * 1024,
	SOURCE_REQUIRE_MAX = 512 * 1024 /* what source_require can hold in one piece */
};

struct source {
	const struct sense_host *host;
	char name[256]; /* for messages */
	int fd;
	bool regular;
	uint64_t size;   /* of a regular file when it was opened */
	uint64_t offset; /* of buffer[0] in the source */
	uint8_t *buffer;
	uint32_t begin; /* bytes not consumed yet: buffer[begin] to buffer[end - 1] */
	uint32_t end;
};

/* The fd stays the caller's. */
enum sense_status source_open(struct source *source, const struct sense_host *host,
                              const char *name, int fd, sense_error *err);
void source_release(struct source *source);

/*
 * Makes at least `need` bytes available, fewer only where the source ends: then it is SENSE_OK
 * with nothing left, or SENSE_E_TRUNCATED naming `what` and its offset.
 */
enum sense_status source_require(struct source *source, uint32_t need, const char *what,
                                 sense_error *err);
/* Passes over bytes, however many. */
enum sense_status source_skip(struct source *source, uint64_t bytes, const char *what,
                              sense_error *err);

static inline uint32_t source_have(const struct source *source)
{
	return source->end - source->begin;
}

static inline const uint8_t *source_at(const struct source *source)
{
	return source->buffer + source->begin;
}

static inline uint64_t source_position(const struct source *source)
{
	return source->offset + source->begin;
}

#endif
