/* The capture plugin `pcap`: captures from files and pipes. See README.md. */
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "format.h"

struct capture {
	struct source source;
	struct classic classic;
	struct pcapng pcapng;
	bool is_pcapng;
	bool ended; /* after a fault nothing that follows can be trusted */
};

/* ---- what is it ---------------------------------------------------------------------------------- */

static const struct {
	uint8_t magic[2];
	const char *name, *unpack;
} compressed[] = {
    {{0x1f, 0x8b}, "gzip", "gunzip -c"},
    {{0x28, 0xb5}, "zstd", "zstd -dc"},
    {{0xfd, 0x37}, "xz", "xz -dc"},
};

static enum sense_status refuse(const struct source *source, sense_error *err)
{
	const uint8_t *p = source_at(source);
	uint32_t have = source_have(source) < 4 ? source_have(source) : 4;
	for (unsigned i = 0; have >= 2 && i < sizeof compressed / sizeof *compressed; i++)
		if (p[0] == compressed[i].magic[0] && p[1] == compressed[i].magic[1])
			return source->host->fail(
			    err, SENSE_E_UNSUPPORTED, "pcap",
			    "%s: is compressed by %s; unpack it first: `%s FILE | sense-agent replay -`",
			    source->name, compressed[i].name, compressed[i].unpack);
	char bytes[16] = "";
	for (uint32_t i = 0; i < have; i++)
		snprintf(bytes + 3 * i, sizeof bytes - 3 * i, " %02x", p[i]);
	return source->host->fail(err, SENSE_E_FORMAT, "pcap",
	                          "%s: not a capture file: first bytes are%s", source->name, bytes);
}

static enum sense_status recognize(struct capture *capture, sense_error *err)
{
	struct source *source = &capture->source;
	enum sense_status status = source_require(source, 4, "file header", err);
	if (status == SENSE_E_TRUNCATED)
		return refuse(source, err);
	if (status)
		return status;
	if (!source_have(source))
		return source->host->fail(err, SENSE_E_FORMAT, "pcap", "%s: is empty, not a capture file",
		                          source->name);
	uint32_t magic = get32(source_at(source), false);
	if (classic_magic(magic))
		return classic_open(&capture->classic, source, err);
	capture->is_pcapng = pcapng_magic(magic);
	return capture->is_pcapng ? SENSE_OK : refuse(source, err);
}

/* ---- going on behind a packet -------------------------------------------------------------------- */

static uint64_t capture_position(const void *context)
{
	const struct capture *capture = context;
	if (!capture->source.regular)
		return 0;
	return capture->is_pcapng ? capture->pcapng.behind : source_position(&capture->source);
}

/* pcapng is read again from its start: what packets mean depends on the blocks before them. */
static enum sense_status resume_at(struct capture *capture, uint64_t position, sense_error *err)
{
	struct source *source = &capture->source;
	enum sense_status status = SENSE_OK;
	if (!source->regular)
		return source->host->fail(err, SENSE_E_UNSUPPORTED, "pcap",
		                          "%s: is not a file, so reading cannot be resumed", source->name);
	if (position > source->size || (!capture->is_pcapng && position < source_position(source)))
		goto out;
	if (!capture->is_pcapng)
		return source_skip(source, position - source_position(source), "capture", err);
	while (capture->pcapng.behind < position) {
		struct sense_packet packet;
		unsigned count;
		status = pcapng_read(&capture->pcapng, source, &packet, 1, &count, err);
		if (status || !count)
			goto out;
	}
	return SENSE_OK;
out:
	return status ? status
	              : source->host->fail(err, SENSE_E_FORMAT, "pcap",
	                                   "%s: no packet ends at offset %llu; the file has changed",
	                                   source->name, (unsigned long long)position);
}

/* ---- the table ----------------------------------------------------------------------------------- */

static enum sense_status capture_open(const struct sense_host *host, const char *name, int fd,
                                      uint64_t resume, void **context, sense_error *err)
{
	struct capture *capture = calloc(1, sizeof *capture);
	if (!capture)
		return host->fail(err, SENSE_E_MEMORY, "pcap", "%s: no memory to read it", name);
	enum sense_status status = source_open(&capture->source, host, name, fd, err);
	if (!status)
		status = recognize(capture, err);
	if (!status && resume)
		status = resume_at(capture, resume, err);
	if (!status) {
		*context = capture;
		return SENSE_OK;
	}
	pcapng_fini(&capture->pcapng);
	source_release(&capture->source);
	free(capture);
	return status;
}

static enum sense_status capture_read(void *context, struct sense_packet *packets, unsigned max,
                                      unsigned *count, sense_error *err)
{
	struct capture *capture = context;
	*count = 0;
	if (capture->ended)
		return SENSE_OK;
	enum sense_status status =
	    capture->is_pcapng
	        ? pcapng_read(&capture->pcapng, &capture->source, packets, max, count, err)
	        : classic_read(&capture->classic, &capture->source, packets, max, count, err);
	capture->ended = status != SENSE_OK;
	return status;
}

static struct sense_capture_progress capture_progress(const void *context)
{
	const struct capture *capture = context;
	return (struct sense_capture_progress){.done = source_position(&capture->source),
	                                       .total = capture->source.size};
}

static void capture_close(void *context)
{
	struct capture *capture = context;
	int fd = capture->source.fd;
	pcapng_fini(&capture->pcapng);
	source_release(&capture->source);
	free(capture);
	close(fd);
}

static const struct sense_capture_ops ops = {
    .size = sizeof ops,
    .open = capture_open,
    .read = capture_read,
    .progress = capture_progress,
    .position = capture_position,
    .close = capture_close,
};

SENSE_PLUGIN_EXPORT = {
    .size = sizeof(struct sense_plugin),
    .name = "pcap",
    .version = "1.0",
    .summary = "packets from capture files and pipes: pcap and pcapng",
    .capture = &ops,
};
