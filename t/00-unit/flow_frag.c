/* Datagrams in pieces: any order, overlaps, bounds, age. */
#include "core/flow/frag.h"

#include "t/tap.h"

enum { PAYLOAD = 4000, DATAGRAM = 8 + PAYLOAD, SECOND = 1000000 };

static sense_frag *frag;
static struct sense_decoded whole;
static uint8_t datagram[DATAGRAM]; /* UDP header and payload */
static uint64_t now;

static void restart(unsigned max)
{
	sense_frag_free(frag);
	frag = sense_frag_new(max);
	now = UINT64_C(1700000000) * SECOND;
	for (unsigned i = 0; i < DATAGRAM; i++)
		datagram[i] = (uint8_t)(i * 7 + i / 256);
	memcpy(datagram, "\xc3\x50\1\xbb\x0f\xa8\0\0", 8);
}

/* A raw IPv4 packet with a part of the datagram. */
static bool add4(uint16_t id, uint32_t offset, uint32_t length, bool more)
{
	uint8_t ip[20 + DATAGRAM] = {0x45};
	uint32_t total = 20 + length, field = offset / 8 | (more ? 0x2000 : 0);
	memcpy(ip + 2, (uint8_t[]){(uint8_t)(total >> 8), (uint8_t)total}, 2);
	memcpy(ip + 4, (uint8_t[]){(uint8_t)(id >> 8), (uint8_t)id}, 2);
	memcpy(ip + 6, (uint8_t[]){(uint8_t)(field >> 8), (uint8_t)field, 64, 17}, 4);
	memcpy(ip + 12, "\x0a\0\0\1\x0a\0\0\2", 8);
	memcpy(ip + 20, datagram + offset, length);
	struct sense_packet packet = {
	    .data = ip, .ts_us = now, .caplen = total, .len = total, .link = 101};
	struct sense_decoded part;
	if (sense_packet_decode(&packet, &part) != SENSE_DECODE_FRAGMENT)
		return false;
	return sense_frag_add(frag, &part, &whole);
}

/* The same as IPv6, behind a hop-by-hop header. */
static bool add6(uint32_t id, uint32_t offset, uint32_t length, bool more)
{
	uint8_t ip[40 + 8 + 8 + DATAGRAM] = {0x60};
	uint32_t after = 16 + length, field = offset | more;
	memcpy(ip + 4, (uint8_t[]){(uint8_t)(after >> 8), (uint8_t)after, 0, 64}, 4);
	memset(ip + 8, 0x20, 16);
	memset(ip + 24, 0x30, 16);
	memcpy(ip + 40, "\x2c\0\1\4\0\0\0\0\x11\0", 10);
	memcpy(ip + 50, (uint8_t[]){(uint8_t)(field >> 8), (uint8_t)field}, 2);
	memcpy(ip + 52, &id, 4);
	memcpy(ip + 56, datagram + offset, length);
	struct sense_packet packet = {
	    .data = ip, .ts_us = now, .caplen = 40 + after, .len = 40 + after, .link = 101};
	struct sense_decoded part;
	if (sense_packet_decode(&packet, &part) != SENSE_DECODE_FRAGMENT)
		return false;
	return sense_frag_add(frag, &part, &whole);
}

static bool is_whole(void)
{
	return whole.l4 == 17 && whole.src_port == 50000 && whole.dst_port == 443 &&
	       whole.payload_len == PAYLOAD && !memcmp(whole.payload, datagram + 8, PAYLOAD);
}

static uint64_t dropped(void)
{
	return sense_frag_stats(frag)->dropped;
}

static void test_orders(void)
{
	static const uint8_t orders[6][3] = {{0, 1, 2}, {0, 2, 1}, {1, 0, 2},
	                                     {1, 2, 0}, {2, 0, 1}, {2, 1, 0}};
	static const uint32_t offsets[] = {0, 1480, 2960, DATAGRAM};
	for (unsigned i = 0; i < 6; i++) {
		unsigned done4 = 0, done6 = 0;
		bool good4 = false, good6 = false;
		restart(16);
		for (unsigned k = 0; k < 3; k++) {
			unsigned n = orders[i][k];
			uint32_t length = offsets[n + 1] - offsets[n];
			if (add4(1, offsets[n], length, n < 2)) {
				done4 += k == 2;
				good4 = is_whole() && whole.ip_version == 4 &&
				        whole.wire_len == 60 + DATAGRAM;
			}
			if (add6(1, offsets[n], length, n < 2)) {
				done6 += k == 2;
				good6 = is_whole() && whole.ip_version == 6 &&
				        whole.wire_len == 168 + DATAGRAM;
			}
		}
		ok(done4 == 1 && good4, "IPv4, order %u%u%u", orders[i][0], orders[i][1], orders[i][2]);
		ok(done6 == 1 && good6, "IPv6, order %u%u%u", orders[i][0], orders[i][1], orders[i][2]);
	}
	is_num(sense_frag_stats(frag)->completed, 2, "completed datagrams are counted");
	is_num(sense_frag_stats(frag)->fragments, 6, "fragments are counted");
	is_num(dropped(), 0, "none is dropped");
}

static void test_small(void)
{
	bool done = false;
	restart(16);
	for (uint32_t at = 0; at < DATAGRAM; at += 8)
		done = add4(9, at, 8, at + 8 < DATAGRAM);
	ok(done && is_whole(), "fragments of 8 bytes");
}

static void test_overlap(void)
{
	restart(16);
	ok(!add4(1, 0, 1480, true), "IPv4: a first fragment");
	uint8_t kept = datagram[800];
	datagram[800] ^= 0xff;
	ok(!add4(1, 800, 1480, true), "one that overlaps it with other bytes");
	datagram[800] = kept;
	ok(add4(1, 2280, DATAGRAM - 2280, false) && is_whole(), "the bytes that came first are kept");

	restart(16);
	add6(1, 0, 1480, true);
	add6(1, 800, 1480, true);
	is_num(dropped(), 1, "IPv6: an overlap drops the datagram");
	restart(16);
	add6(1, 0, 1480, true);
	add6(1, 0, 1480, true);
	is_num(dropped(), 0, "IPv6: a repeated frame does not");
	ok(add6(1, 1480, DATAGRAM - 1480, false) && is_whole(), "and its datagram completes");
	restart(16);
	add6(1, 0, 1480, true);
	datagram[100] ^= 1;
	add6(1, 0, 1480, true);
	is_num(dropped(), 1, "IPv6: the same place with other bytes does");
}

static void test_lies(void)
{
	restart(16);
	add4(1, 2000, 1001, true);
	is_num(dropped(), 1, "a length that is no multiple of 8");
	add4(2, 2000, 1000, false);
	add4(2, 2008, 1000, true);
	is_num(dropped(), 2, "more behind the last one");
	add4(3, 2000, 1000, true);
	add4(3, 800, 100, false);
	is_num(dropped(), 3, "a last one before others");
	add4(4, 2000, 1000, false);
	add4(4, 1600, 80, false);
	is_num(dropped(), 4, "two ends");
	struct sense_decoded part = {.ip_version = 4, .frag_offset = 65528, .frag_len = 100,
	                             .frag_data = datagram};
	ok(!sense_frag_add(frag, &part, &whole) && dropped() == 5, "a datagram beyond 64 KiB");
}

static void test_bounds(void)
{
	restart(4);
	for (uint16_t id = 0; id < 6; id++, now += SECOND)
		add4(id, 0, 1480, true);
	is_num(dropped(), 2, "a full table drops");
	ok(!add4(1, 1480, DATAGRAM - 1480, false), "the oldest");
	ok(add4(5, 1480, DATAGRAM - 1480, false) && is_whole(), "and keeps the youngest");

	restart(4);
	add4(1, 0, 1480, true);
	now += 31 * SECOND;
	ok(!add4(1, 1480, DATAGRAM - 1480, false), "31 s later an id means another datagram");
	is_num(dropped(), 1, "the old one is dropped");

	restart(64);
	for (uint16_t id = 0; id < 64; id++) { /* room for all 64 KiB of each is asked for */
		struct sense_decoded part = {.ip_version = 4, .frag_id = id, .frag_offset = 60000,
		                             .frag_len = 800, .frag_more = true, .frag_data = datagram};
		sense_frag_add(frag, &part, &whole);
	}
	ok(dropped() >= 40, "the bytes of the whole table are bounded: %u given up", (unsigned)dropped());
}

static void test_keys(void)
{
	restart(16);
	add4(1, 0, 1480, true);
	add4(2, 1480, DATAGRAM - 1480, false);
	ok(!add6(1, 1480, DATAGRAM - 1480, false), "id and version keep datagrams apart");
	ok(add4(1, 1480, DATAGRAM - 1480, false) && is_whole(), "the right one completes");
	restart(16);
	memcpy(datagram, "\xc3\x50\1\xbb\0\0", 6);
	add4(1, 0, 1480, true);
	whole.vlan = 3;
	ok(add4(1, 1480, DATAGRAM - 1480, false) && whole.vlan == 0, "the fragment's VLAN is kept");
}

int main(void)
{
	test_orders();
	test_small();
	test_overlap();
	test_lies();
	test_bounds();
	test_keys();
	sense_frag_free(frag);
	return tap_done();
}
