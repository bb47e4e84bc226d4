/*
 * The capture plugin on any file: its source is compiled in. What one pass reads, a pass that is
 * resumed half-way must read too. The first byte chooses file or pipe; the rest is the capture.
 */
#include <sys/mman.h>

#include "core/base/status.h"

#include "plugins/pcap/classic.c"
#include "plugins/pcap/pcap.c"
#include "plugins/pcap/pcapng.c"
#include "plugins/pcap/source.c"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static const struct sense_host host = {.size = sizeof host, .fail = sense_fail};

static void check(bool good)
{
	if (!good)
		abort();
}

static int file_of(const uint8_t *data, size_t size)
{
	int fd = memfd_create("fuzz", 0);
	check(fd >= 0 && write(fd, data, size) == (ssize_t)size);
	return fd;
}

static int pipe_of(const uint8_t *data, size_t size)
{
	int ends[2];
	check(!pipe(ends));
	check(write(ends[1], data, size) == (ssize_t)size);
	close(ends[1]);
	return ends[0];
}

/* Reads at most `most` packets; *position is behind the last. */
static unsigned long read_all(int fd, uint64_t resume, unsigned long most, uint64_t *position)
{
	struct sense_packet packets[5];
	sense_error err;
	void *capture;
	unsigned long total = 0, sum = 0;
	unsigned count = 1;
	if (ops.open(&host, "fuzz", fd, resume, &capture, &err)) {
		close(fd);
		return 0;
	}
	while (count && total < most) {
		unsigned max = most - total < 5 ? (unsigned)(most - total) : 5;
		enum sense_status status = ops.read(capture, packets, max, &count, &err);
		for (unsigned i = 0; i < count; i++) {
			check(packets[i].caplen <= packets[i].len);
			for (uint32_t k = 0; k < packets[i].caplen; k++)
				sum += packets[i].data[k];
		}
		total += count;
		if (status)
			break;
	}
	struct sense_capture_progress progress = ops.progress(capture);
	check(!progress.total || progress.done <= progress.total);
	*position = ops.position(capture);
	ops.close(capture);
	__asm__ volatile("" : : "r"(sum));
	return total;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	uint64_t position = 0;
	if (size < 1 || size > 60000) /* a pipe holds that much */
		return 0;
	bool piped = data[0] & 1;
	data++, size--;
	unsigned long all = read_all(piped ? pipe_of(data, size) : file_of(data, size), 0, -1ul, &position);
	if (piped || all < 2)
		return 0;
	unsigned long half = read_all(file_of(data, size), 0, all / 2, &position);
	check(half == all / 2);
	check(read_all(file_of(data, size), position, -1ul, &position) == all - half);
	return 0;
}
