#include "source.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define BUFFER_SIZE (SOURCE_REQUIRE_MAX + SOURCE_CHUNK)

enum sense_status source_open(struct source *source, const struct sense_host *host,
                              const char *name, int fd, sense_error *err)
{
	struct stat st;
	if (fstat(fd, &st))
		return host->fail(err, SENSE_E_IO, "pcap", "%s: %s", name, strerror(errno));
	if (S_ISDIR(st.st_mode))
		return host->fail(err, SENSE_E_FORMAT, "pcap", "%s: is a directory", name);
	*source = (struct source){.host = host, .fd = fd, .regular = S_ISREG(st.st_mode)};
	source->size = source->regular ? (uint64_t)st.st_size : 0;
	snprintf(source->name, sizeof source->name, "%s", name);
	source->buffer = malloc(BUFFER_SIZE); /* pages that no packet needs are never touched */
	if (!source->buffer)
		return host->fail(err, SENSE_E_MEMORY, "pcap", "%s: no memory to read it", name);
	return SENSE_OK;
}

void source_release(struct source *source)
{
	free(source->buffer);
}

static ssize_t read_some(struct source *source, uint32_t room)
{
	const struct sense_host *host = source->host;
	ssize_t got;
	if (!source->regular && host->size > offsetof(struct sense_host, wait) && host->wait)
		host->wait(source->fd);
	/* What is wanted no more is at its end. */
	if (!source->regular && host->size > offsetof(struct sense_host, ending) && host->ending && host->ending())
		return 0;
	do {
		uint8_t *at = source->buffer + source->end;
		if (source->regular)
			got = pread(source->fd, at, room, (off_t)(source->offset + source->end));
		else
			got = read(source->fd, at, room);
	} while (got < 0 && errno == EINTR);
	return got;
}

enum sense_status source_require(struct source *source, uint32_t need, const char *what,
                                 sense_error *err)
{
	uint32_t left = source_have(source);
	memmove(source->buffer, source_at(source), left);
	source->offset += source->begin;
	source->begin = 0;
	source->end = left;
	while (source->end < need) {
		ssize_t got = read_some(source, SOURCE_CHUNK);
		if (got < 0)
			return source->host->fail(err, SENSE_E_IO, "pcap", "%s: at offset %llu: %s",
			                          source->name,
			                          (unsigned long long)(source->offset + source->end),
			                          strerror(errno));
		if (got == 0 && source->end == 0)
			return SENSE_OK;
		if (got == 0)
			return source->host->fail(
			    err, SENSE_E_TRUNCATED, "pcap",
			    "%s: ends in the middle of the %s at offset %llu (%u of %u bytes)",
			    source->name, what, (unsigned long long)source->offset, source->end, need);
		source->end += (uint32_t)got;
	}
	return SENSE_OK;
}

enum sense_status source_skip(struct source *source, uint64_t bytes, const char *what,
                              sense_error *err)
{
	uint64_t start = source_position(source);
	if (source->regular && bytes > source_have(source)) {
		/* No need to read what is passed over; whether it is there, the size tells. */
		if (bytes > source->size || start > source->size - bytes)
			return source->host->fail(err, SENSE_E_TRUNCATED, "pcap",
			                          "%s: ends in the middle of the %s at offset %llu",
			                          source->name, what, (unsigned long long)start);
		source->offset = start + bytes;
		source->begin = source->end = 0;
		return SENSE_OK;
	}
	while (bytes > source_have(source)) {
		bytes -= source_have(source);
		source->begin = source->end;
		enum sense_status status = source_require(source, 1, what, err);
		if (status)
			return status;
		if (source_have(source) == 0)
			return source->host->fail(err, SENSE_E_TRUNCATED, "pcap",
			                          "%s: ends in the middle of the %s at offset %llu",
			                          source->name, what, (unsigned long long)start);
	}
	source->begin += (uint32_t)bytes;
	return SENSE_OK;
}
