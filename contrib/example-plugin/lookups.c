/*
 * A capture plugin in one file: a source of host names, one a line, becomes a source of packets, one
 * DNS query each. It tries policies on names that no capture has, and shows all a plugin must have.
 *
 * It bears the name `pcap`, because that is the capture plugin that the agent asks for.
 */
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "core/sense_plugin.h"

enum { BATCH = 16, PACKET_MAX = 320, NAME_MAX_LEN = 253, LINK_RAW_IP = 101 };
enum { IP_SIZE = 20, UDP_SIZE = 8, DNS_SIZE = 12 };

struct lookups {
	const struct sense_host *host;
	int fd;
	uint64_t read;  /* bytes of the source */
	uint64_t made;  /* packets */
	size_t used;    /* bytes of text */
	char text[4096];
	uint8_t packets[BATCH][PACKET_MAX]; /* what was given out stays valid until the next read */
};

static enum sense_status lookups_open(const struct sense_host *host, const char *name, int fd, uint64_t resume,
                                      void **capture, sense_error *err)
{
	if (resume)
		return host->fail(err, SENSE_E_UNSUPPORTED, "lookups", "%s: cannot go on in the middle", name);
	struct lookups *l = calloc(1, sizeof *l);
	if (!l)
		return host->fail(err, SENSE_E_MEMORY, "lookups", "%s: no memory", name);
	l->host = host;
	l->fd = fd;
	*capture = l;
	return SENSE_OK;
}

static uint8_t *put16(uint8_t *p, unsigned v)
{
	p[0] = (uint8_t)(v >> 8);
	p[1] = (uint8_t)v;
	return p + 2;
}

/* An IPv4 packet from 192.0.2.1 to 192.0.2.53 (RFC 5737) that asks for an address; its length, or 0. */
static uint32_t query_write(uint8_t *p, const char *name, size_t len, unsigned number)
{
	static const uint8_t addresses[] = {192, 0, 2, 1, 192, 0, 2, 53};
	uint32_t size = (uint32_t)(IP_SIZE + UDP_SIZE + DNS_SIZE + len + 2 + 4);
	uint8_t *at = memset(p, 0, PACKET_MAX);
	at[0] = 0x45; /* IPv4, five words of header; TTL 64, UDP */
	put16(at + 2, size);
	at[8] = 64;
	at[9] = 17;
	memcpy(at + 12, addresses, sizeof addresses);
	put16(at + IP_SIZE, 1024 + number % 64000);
	put16(at + IP_SIZE + 2, 53);
	put16(at + IP_SIZE + 4, size - IP_SIZE);
	at += IP_SIZE + UDP_SIZE;
	put16(at, number & 0xffff);
	put16(at + 2, 0x0100); /* recursion desired */
	put16(at + 4, 1);      /* one question */
	at += DNS_SIZE;
	for (const char *end = name + len; name < end;) {
		const char *dot = memchr(name, '.', (size_t)(end - name));
		size_t label = (size_t)((dot ? dot : end) - name);
		if (!label || label > 63)
			return 0;
		*at++ = (uint8_t)label;
		at = (uint8_t *)memcpy(at, name, label) + label;
		name += label + 1;
	}
	put16(put16(at + 1, 1), 1); /* behind the root label: type A, class IN */
	return size;
}

/* Takes the next line from the text; false when there is no whole one. */
static bool line_take(struct lookups *l, struct sense_packet *out, uint8_t *bytes, bool *bad)
{
	char *end = memchr(l->text, '\n', l->used);
	if (!end)
		return false;
	size_t len = (size_t)(end - l->text);
	uint32_t size = len && len <= NAME_MAX_LEN ? query_write(bytes, l->text, len, (unsigned)l->made) : 0;
	*bad = !size;
	*out = (struct sense_packet){.data = bytes, .caplen = size, .len = size, .link = LINK_RAW_IP,
	                             .ts_us = UINT64_C(1700000000000000) + l->made++ * 1000000};
	l->used -= len + 1;
	memmove(l->text, end + 1, l->used);
	return true;
}

static enum sense_status lookups_read(void *capture, struct sense_packet *packets, unsigned max,
                                      unsigned *count, sense_error *err)
{
	struct lookups *l = capture;
	bool bad = false;
	*count = 0;
	while (*count < max && *count < BATCH) {
		if (line_take(l, &packets[*count], l->packets[*count], &bad)) {
			if (bad)
				return l->host->fail(err, SENSE_E_FORMAT, "lookups", "line %llu is not a host name",
				                     (unsigned long long)l->made);
			++*count;
			continue;
		}
		if (*count || l->used == sizeof l->text)
			break; /* give out what there is before waiting for more */
		ssize_t got = read(l->fd, l->text + l->used, sizeof l->text - l->used);
		if (got <= 0)
			break;
		l->used += (size_t)got;
		l->read += (uint64_t)got;
	}
	if (!*count && l->used)
		return l->host->fail(err, SENSE_E_TRUNCATED, "lookups", "the last line has no end");
	return SENSE_OK;
}

static struct sense_capture_progress lookups_progress(const void *capture)
{
	return (struct sense_capture_progress){.done = ((const struct lookups *)capture)->read};
}

static uint64_t lookups_position(const void *capture)
{
	(void)capture;
	return 0;
}

static void lookups_close(void *capture)
{
	struct lookups *l = capture;
	close(l->fd);
	free(l);
}

static const struct sense_capture_ops capture_ops = {
    .size = sizeof(struct sense_capture_ops),
    .open = lookups_open,
    .read = lookups_read,
    .progress = lookups_progress,
    .position = lookups_position,
    .close = lookups_close,
};

SENSE_PLUGIN_EXPORT = {
    .size = sizeof(struct sense_plugin),
    .name = "pcap",
    .version = "1",
    .summary = "host names, one a line, as DNS queries",
    .capture = &capture_ops,
};
