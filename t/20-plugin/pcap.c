/* The capture plugin `pcap`, loaded as the agent loads it: formats, faults, pipes, resuming. */
#include <dirent.h>
#include <dlfcn.h>
#include <fcntl.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

#include "core/base/status.h"
#include "t/tap.h"

enum { SECTION = 0x0a0d0d0a, BATCH = 7, IMAGE_MAX = 6 << 20 };

static const struct sense_capture_ops *ops;
static sense_error error;

__attribute__((format(printf, 3, 4))) static void
quiet(enum sense_log_level level, const char *plugin, const char *fmt, ...)
{
	(void)level;
	(void)plugin;
	(void)fmt;
}

static const struct sense_host host = {.size = sizeof host, .log = quiet, .fail = sense_fail};

/* ---- captures made here -------------------------------------------------------------------------- */

static struct {
	uint8_t bytes[IMAGE_MAX];
	size_t size;
	bool swapped;
} image;

static void image_start(bool swapped)
{
	image.size = 0;
	image.swapped = swapped;
}

static void put(const void *bytes, size_t size)
{
	memcpy(image.bytes + image.size, bytes, size);
	image.size += size;
}

static void put16(uint16_t v)
{
	v = image.swapped ? __builtin_bswap16(v) : v;
	put(&v, sizeof v);
}

static void put32(uint32_t v)
{
	v = image.swapped ? __builtin_bswap32(v) : v;
	put(&v, sizeof v);
}

static void put_fill(size_t size, uint8_t value)
{
	memset(image.bytes + image.size, value, size);
	image.size += size;
}

static void put_file_header(uint32_t magic, uint16_t minor, uint32_t link)
{
	put32(magic);
	put16(2);
	put16(minor);
	put_fill(8, 0);
	put32(65535);
	put32(link);
}

static void put_record(uint32_t seconds, uint32_t fraction, uint32_t caplen, uint32_t len)
{
	put32(seconds);
	put32(fraction);
	put32(caplen);
	put32(len);
	put_fill(caplen, (uint8_t)seconds);
}

static void put_section(void)
{
	put32(SECTION);
	put32(28);
	put32(0x1a2b3c4d);
	put16(1);
	put16(0);
	put_fill(8, 0xff);
	put32(28);
}

/* An interface with clock resolution and offset; resolution 6 and offset 0 write no options. */
static void put_interface(uint16_t link, uint8_t resolution, uint32_t offset_seconds)
{
	bool options = resolution != 6 || offset_seconds;
	uint32_t total = options ? 20 + 8 + 12 + 4 : 20;
	put32(1);
	put32(total);
	put16(link);
	put16(0);
	put32(0);
	if (options) {
		uint8_t value[4] = {resolution};
		put16(9);
		put16(1);
		put(value, 4);
		put16(14);
		put16(8);
		put32(image.swapped ? 0 : offset_seconds);
		put32(image.swapped ? offset_seconds : 0);
		put32(0);
	}
	put32(total);
}

static void put_enhanced(uint32_t iface, uint64_t ticks, uint32_t caplen, uint32_t len)
{
	uint32_t padded = (caplen + 3) & ~3u;
	put32(6);
	put32(32 + padded);
	put32(iface);
	put32((uint32_t)(ticks >> 32));
	put32((uint32_t)ticks);
	put32(caplen);
	put32(len);
	put_fill(padded, (uint8_t)caplen);
	put32(32 + padded);
}

static void put_block(uint32_t type, uint32_t body)
{
	put32(type);
	put32(12 + body);
	put_fill(body, 0x55);
	put32(12 + body);
}

/* ---- reading them -------------------------------------------------------------------------------- */

struct result {
	enum sense_status status;
	unsigned packets;
	uint64_t bytes;
	struct sense_packet first, last;
	uint64_t position; /* behind packet `stop_after` */
	uint8_t last_byte;
	unsigned torn; /* packets without the bytes that were put into them */
};

static struct result drain(void *capture, unsigned stop_after)
{
	struct result result = {0};
	struct sense_packet packets[BATCH];
	unsigned count = 1;
	while (count && !result.status) {
		unsigned max = stop_after && stop_after - result.packets < BATCH
		                   ? stop_after - result.packets
		                   : BATCH;
		if (!max)
			break;
		result.status = ops->read(capture, packets, max, &count, &error);
		for (unsigned i = 0; i < count; i++) {
			if (!result.packets++)
				result.first = packets[i];
			result.last = packets[i];
			result.bytes += packets[i].caplen;
			if (!packets[i].caplen)
				continue;
			result.last_byte = packets[i].data[packets[i].caplen - 1];
			/* put_record fills with the seconds, put_enhanced with the length */
			uint8_t first = packets[i].data[0];
			bool filled = first == (uint8_t)(packets[i].ts_us / 1000000) ||
			              first == (uint8_t)packets[i].caplen;
			result.torn += first != result.last_byte || !filled;
		}
	}
	if (result.status && (ops->read(capture, packets, BATCH, &count, &error) || count))
		result.packets = 999999; /* after a fault a source is at its end */
	result.position = ops->position(capture);
	return result;
}

static struct result read_fd(int fd, uint64_t resume, unsigned stop_after)
{
	void *capture;
	struct result result = {.status = ops->open(&host, "test.pcap", fd, resume, &capture, &error)};
	if (result.status) {
		close(fd);
		return result;
	}
	result = drain(capture, stop_after);
	ops->close(capture);
	return result;
}

static int image_fd(void)
{
	int fd = memfd_create("capture", 0);
	if (fd < 0 || write(fd, image.bytes, image.size) != (ssize_t)image.size)
		abort();
	return fd;
}

static struct result read_image(void)
{
	error.message[0] = '\0';
	return read_fd(image_fd(), 0, 0);
}

/* Through a pipe, in pieces that no boundary of the format agrees with. */
static struct result read_pipe(size_t piece)
{
	int ends[2];
	if (pipe(ends))
		abort();
	pid_t child = fork();
	if (child == 0) {
		close(ends[0]);
		for (size_t at = 0; at < image.size; at += piece) {
			size_t left = image.size - at;
			if (write(ends[1], image.bytes + at, left < piece ? left : piece) < 0)
				break;
		}
		_exit(0);
	}
	close(ends[1]);
	struct result result = read_fd(ends[0], 0, 0);
	waitpid(child, NULL, 0);
	return result;
}

static bool said(const char *text)
{
	bool found = strstr(error.message, text) && strstr(error.message, "test.pcap");
	if (!found)
		fprintf(stderr, "#   message: %s\n", error.message);
	return found;
}

/* ---- the tests ----------------------------------------------------------------------------------- */

static void test_classic(void)
{
	static const uint32_t magics[] = {0xa1b2c3d4, 0xa1b23c4d};
	for (unsigned i = 0; i < 4; i++) {
		bool nano = i & 1, swapped = i & 2;
		image_start(swapped);
		put_file_header(magics[nano], 4, 0xf4000071u);
		put_record(1700000000, nano ? 123456789 : 123456, 60, 60);
		put_record(1700000001, 5000, 96, 1514);
		struct result r = read_image();
		is_num(r.status, SENSE_OK, "pcap, %s, %s order", nano ? "nano" : "micro",
		       swapped ? "other" : "own");
		is_num(r.packets, 2, "both packets");
		is_num(r.first.ts_us, 1700000000123456, "time of the first");
		is_num(r.last.ts_us, nano ? 1700000001000005 : 1700000001005000, "time of the second");
		is_num(r.last.len, 1514, "wire length");
		is_num(r.last.caplen, 96, "captured length");
		is_num(r.first.link, 113, "link type without the bits for the frame check sequence");
	}
	image_start(false);
	put_file_header(0xa1b2c3d4, 1, 1);
	put_record(1, 2, 1514, 1514); /* the lengths are the other way round in 2.1 */
	memcpy(image.bytes + 24 + 12, (uint32_t[]){1514}, 4);
	memcpy(image.bytes + 24 + 8, (uint32_t[]){4000}, 4);
	struct result r = read_image();
	is_num(r.last.caplen, 1514, "version 2.1: captured length");
	is_num(r.last.len, 4000, "version 2.1: wire length");
}

static void test_big(void)
{
	image_start(false);
	put_file_header(0xa1b2c3d4, 4, 1);
	uint64_t bytes = 0;
	for (unsigned i = 0; i < 900; i++) {
		uint32_t size = i % 97 == 0 ? 200000 + i : (i * 37) % 1500;
		bytes += size;
		put_record(i, 0, size, size);
	}
	struct result r = read_image();
	is_num(r.packets, 900, "packets of all sizes, over the edge of the buffer many times");
	is_num(r.bytes, bytes, "all their bytes");
	is_num(r.last_byte, (uint8_t)899, "the bytes are those of the packet");
	is_num(r.torn, 0, "of each packet, as long as its batch lives");
	for (size_t piece = 997; piece < 1 << 20; piece *= 31) {
		r = read_pipe(piece);
		ok(r.status == SENSE_OK && r.packets == 900 && r.bytes == bytes,
		   "the same through a pipe in pieces of %zu", piece);
		is_num(r.position, 0, "a pipe has no position to resume at");
	}
	image_start(false);
	put_section();
	put_interface(1, 6, 0);
	for (unsigned i = 0; i < 900; i++)
		put_enhanced(0, i, i % 97 == 0 ? 200000 + i : 1 + (i * 37) % 1500, 0);
	r = read_image();
	ok(r.packets == 900 && !r.torn, "the same as pcapng");
	r = read_pipe(30011);
	ok(r.packets == 900 && !r.torn, "and that through a pipe");
}

static void test_pcapng(void)
{
	for (unsigned swapped = 0; swapped < 2; swapped++) {
		image_start(swapped);
		put_section();
		put_block(0xbad, 40);
		put_interface(1, 6, 0);
		put_interface(113, 9, 100);
		put_enhanced(0, 1700000000123456, 61, 61);
		put_block(5, 400000);
		put_block(4, 1000000); /* larger than the buffer: passed over */
		put_enhanced(1, 1700000000123456789, 62, 1514);
		image.swapped = !swapped;
		put_section();
		put_interface(276, 0x80 | 20, 0);
		put_enhanced(0, (uint64_t)1700000000 << 20 | 1 << 19, 63, 63);
		put32(3); /* simple packet */
		put32(16 + 64);
		put32(64);
		put_fill(64, 1);
		put32(16 + 64);
		put32(2); /* obsolete packet */
		put32(32 + 64);
		put16(0);
		put16(9);
		put32(0);
		put32(1 << 20);
		put32(64);
		put32(64);
		put_fill(64, 2);
		put32(32 + 64);
		struct result r = read_image();
		is_num(r.status, SENSE_OK, "pcapng, first section in %s order", swapped ? "other" : "own");
		is_num(r.packets, 5, "packets of all kinds, unknown blocks passed over");
		is_num(r.first.ts_us, 1700000000123456, "time in microseconds");
		is_num(r.first.link, 1, "link type of interface 0");
		is_num(r.last.ts_us, 1000000, "time in fractions of 2^20");
		is_num(r.last.link, 276, "link type in the second section");
		r = read_fd(image_fd(), 0, 2);
		is_num(r.last.ts_us, 1700000100123456, "time in nanoseconds with an offset");
		is_num(r.last.iface, 1, "number of the interface");
		is_num(r.last.link, 113, "its link type");
		is_num(r.last.len, 1514, "wire length");
		r = read_fd(image_fd(), 0, 4);
		is_num(r.last.ts_us, 1700000000500000, "a simple packet has the time of the one before");
		is_num(r.last.caplen, 64, "and an implied length");
		r = read_pipe(1009);
		is_num(r.packets, 5, "the same through a pipe");
	}
}

static void test_resume(void)
{
	image_start(false);
	put_file_header(0xa1b2c3d4, 4, 1);
	for (unsigned i = 0; i < 1000; i++)
		put_record(i, 0, 1000, 1000);
	struct result r = read_fd(image_fd(), 0, 400);
	is_num(r.position, 24 + 400 * 1016, "the position is behind the packet");
	r = read_fd(image_fd(), r.position, 0);
	ok(r.packets == 600 && r.first.ts_us == 400 * 1000000ull, "pcap resumes behind packet 400");

	image_start(false);
	put_section();
	put_interface(1, 6, 0);
	for (unsigned i = 0; i < 1000; i++) {
		if (i == 400)
			put_interface(113, 9, 0);
		put_enhanced(i >= 400, i, 1000, 1000);
	}
	r = read_fd(image_fd(), 0, 400);
	is_num(r.position, 48 + 400 * 1032, "the position is behind the packet, not the next interface");
	r = read_fd(image_fd(), r.position, 0);
	ok(r.packets == 600 && r.first.link == 113, "pcapng resumes, and knows its interfaces");
	r = read_fd(image_fd(), image.size + 1, 0);
	is_num(r.status, SENSE_E_FORMAT, "no resuming behind the end");
	int ends[2];
	if (pipe(ends) || write(ends[1], image.bytes, 4096) != 4096)
		abort();
	close(ends[1]);
	is_num(read_fd(ends[0], 500, 0).status, SENSE_E_UNSUPPORTED, "no resuming of a pipe");
}

static struct result read_bytes(const void *bytes, size_t size)
{
	image_start(false);
	put(bytes, size);
	return read_image();
}

static void test_faults(void)
{
	is_num(read_bytes("", 0).status, SENSE_E_FORMAT, "an empty file");
	ok(said("is empty"), "is called empty");
	is_num(read_bytes("\x7f" "ELF\2\1", 6).status, SENSE_E_FORMAT, "a program");
	ok(said("not a capture file: first bytes are 7f 45 4c 46"), "is shown by its first bytes");
	is_num(read_bytes("ab", 2).status, SENSE_E_FORMAT, "two bytes");
	ok(said("first bytes are 61 62"), "are shown");
	is_num(read_bytes("\x1f\x8b\x08\0\0", 5).status, SENSE_E_UNSUPPORTED, "a gzip file");
	ok(said("gunzip -c"), "says what to do");
	is_num(read_bytes("\xd4\xc3\xb2\xa1\2\0\4\0", 8).status, SENSE_E_TRUNCATED, "half a header");
	is_num(read_bytes("\xd4\xc3\xb2\xa1\3\0\4\0\0\0\0\0\0\0\0\0\0\0\0\0\1\0\0\0", 24).status,
	       SENSE_E_UNSUPPORTED, "version 3.4");
	is_num(read_fd(open("/", O_RDONLY), 0, 0).status, SENSE_E_FORMAT, "a directory");

	image_start(false);
	put_file_header(0xa1b2c3d4, 4, 1);
	put_record(1, 0, 100, 100);
	put_record(2, 0, 100, 100);
	image.size -= 40;
	struct result r = read_image();
	ok(r.status == SENSE_E_TRUNCATED && r.packets == 1, "cut in a packet: those before are there");
	ok(said("packet at offset 140 (76 of 116 bytes)"), "the message names the place");
	ok(read_pipe(50).status == SENSE_E_TRUNCATED, "a pipe that is cut");

	image_start(false);
	put_file_header(0xa1b2c3d4, 4, 1);
	put_record(1, 0, 100, 100);
	put32(1);
	put32(0);
	put32(0xfffffff0);
	put32(100);
	r = read_image();
	ok(r.status == SENSE_E_LIMIT && r.packets == 1, "an absurd length");
	ok(said("offset 140 claims 4294967280 bytes"), "the message names it");
}

static void test_pcapng_faults(void)
{
	static const struct {
		const char *name;
		uint32_t at, value; /* written over the capture at an offset */
		enum sense_status status;
	} faults[] = {
	    {"byte order", 8, 7, SENSE_E_FORMAT},
	    {"version", 12, 2, SENSE_E_UNSUPPORTED},
	    {"length below the minimum", 52, 8, SENSE_E_FORMAT},
	    {"length no multiple of 4", 52, 97, SENSE_E_FORMAT},
	    {"two lengths", 48 + 128, 100, SENSE_E_FORMAT},
	    {"interface", 56, 1, SENSE_E_FORMAT},
	    {"packet longer than its block", 68, 101, SENSE_E_FORMAT},
	    {"block beyond the bound", 52, 0x7ffffffc, SENSE_E_LIMIT},
	    {"block beyond the file", 52, 4096, SENSE_E_TRUNCATED},
	};
	for (unsigned i = 0; i < sizeof faults / sizeof *faults; i++) {
		image_start(false);
		put_section();
		put_interface(1, 6, 0);
		put_enhanced(0, 1, 100, 100);
		memcpy(image.bytes + faults[i].at, &faults[i].value, 4);
		error.message[0] = '\0';
		is_num(read_image().status, faults[i].status, "pcapng: wrong %s", faults[i].name);
		ok(said("offset"), "the message names file and offset");
	}
	image_start(false);
	put_section();
	for (unsigned i = 0; i < 5000; i++)
		put_interface(1, 6, 0);
	is_num(read_image().status, SENSE_E_LIMIT, "too many interfaces");
	image_start(false);
	put_section();
	put_interface(1, 20, 0);
	is_num(read_image().status, SENSE_E_FORMAT, "a clock of 10^20 ticks a second");
}

/* The file shrinks under the reader: an error, not a signal. */
static void test_shrinking(void)
{
	image_start(false);
	put_file_header(0xa1b2c3d4, 4, 1);
	for (unsigned i = 0; i < 2000; i++)
		put_record(i, 0, 1000, 1000);
	int fd = image_fd();
	void *capture;
	struct sense_packet packet;
	unsigned count;
	ok(!ops->open(&host, "test.pcap", fd, 0, &capture, &error), "a file is opened");
	ok(!ops->read(capture, &packet, 1, &count, &error) && count == 1, "a packet is read");
	ok(!ftruncate(fd, 300000), "then the file is cut");
	struct result r = drain(capture, 0);
	ok(r.status == SENSE_E_TRUNCATED && r.packets < 300, "it ends early: after %u", r.packets);
	ops->close(capture);
}

/* ---- captures of the world ----------------------------------------------------------------------- */

static long capinfos_count(const char *path)
{
	char command[1200], line[256];
	long count = -1;
	snprintf(command, sizeof command, "capinfos -cMTmr '%s' 2>/dev/null", path);
	FILE *pipe = popen(command, "r");
	if (pipe && fgets(line, sizeof line, pipe)) {
		char *comma = strrchr(line, ',');
		count = comma ? atol(comma + 1) : -1;
	}
	if (pipe)
		pclose(pipe);
	return count;
}

static void test_directory(const char *path)
{
	unsigned files = 0, compared = 0, wrong = 0;
	DIR *dir = opendir(path);
	if (!dir) {
		ok(true, "captures of %s # SKIP not there", path);
		return;
	}
	for (struct dirent *entry; (entry = readdir(dir));) {
		char name[1024];
		const char *dot = strrchr(entry->d_name, '.');
		if (!dot || (strcmp(dot, ".pcap") && strcmp(dot, ".pcapng") && strcmp(dot, ".cap")))
			continue;
		snprintf(name, sizeof name, "%s/%s", path, entry->d_name);
		struct result r = read_fd(open(name, O_RDONLY), 0, 0);
		long want = capinfos_count(name);
		files++;
		if (want < 0)
			continue;
		compared++;
		if (want == r.packets)
			continue;
		wrong++;
		fprintf(stderr, "# %s: %u packets, capinfos has %ld\n", name, r.packets, want);
	}
	closedir(dir);
	ok(files > 0, "%s: %u captures read to their end", path, files);
	is_num(wrong, 0, "the same number of packets as capinfos in %u of them", compared);
}

int main(void)
{
	const char *build = getenv("SENSE_BUILD"), *captures = getenv("SENSE_CAPTURES");
	char path[1024];
	snprintf(path, sizeof path, "%s/plugins/pcap.so", build ? build : "build");
	if (!strchr(build ? build : "build", '/'))
		snprintf(path, sizeof path, "./%s/plugins/pcap.so", build ? build : "build");
	void *object = dlopen(path, RTLD_NOW);
	if (!ok(object != NULL, "%s loads", path)) {
		fprintf(stderr, "# %s\n", dlerror());
		return tap_done();
	}
	const uint32_t *abi = dlsym(object, "sense_plugin_abi");
	const struct sense_plugin *plugin = dlsym(object, "sense_plugin");
	ok(abi && *abi == SENSE_PLUGIN_ABI, "it has our version of the interface");
	if (!ok(plugin && plugin->capture && !strcmp(plugin->name, "pcap"), "it is a capture plugin"))
		return tap_done();
	ops = plugin->capture;
	test_classic();
	test_big();
	test_pcapng();
	test_resume();
	test_faults();
	test_pcapng_faults();
	test_shrinking();
	test_directory("t/captures");
	snprintf(path, sizeof path, "%s/ndpi", captures ? captures : "../shared/captures");
	test_directory(path);
	return tap_done();
}
