/*
 * The classifier plugin `ndpi`, loaded as the agent loads it: what it answers, and when it needs no
 * more. Packets are copied to blocks of their exact size, so that a sanitizer sees a read past them.
 */
#include <dlfcn.h>
#include <stdlib.h>

#include "core/base/status.h"
#include "t/tap.h"

enum { FIN = 1, SYN = 2, RST = 4, ACK = 16, CLIENT_PORT = 40000, PACKET_MAX = 4096 };

static const struct sense_classifier_ops *ops;
static void *module;
static struct sense_class class;

__attribute__((format(printf, 3, 4))) static void quiet(enum sense_log_level level, const char *plugin,
							const char *fmt, ...)
{
	(void)level;
	(void)plugin;
	(void)fmt;
}

static const struct sense_host host = {.size = sizeof host, .log = quiet, .fail = sense_fail};

/* ---- flows made here ----------------------------------------------------------------------------- */

struct talk {
	void *state;
	uint16_t server_port;
	uint8_t protocol;
	bool v6;
	uint32_t seq[2]; /* of the client, of the server */
};

static struct talk talk_start(uint8_t protocol, uint16_t server_port)
{
	return (struct talk){.state = ops->flow_new(module),
			     .server_port = server_port,
			     .protocol = protocol,
			     .seq = {1000, 5000}};
}

static void talk_end(struct talk *talk)
{
	ops->flow_free(module, talk->state);
	talk->state = NULL;
}

static void put16(uint8_t *at, unsigned value)
{
	at[0] = (uint8_t)(value >> 8);
	at[1] = (uint8_t)value;
}

static void put32(uint8_t *at, uint32_t value)
{
	put16(at, value >> 16);
	put16(at + 2, value & 0xffff);
}

static unsigned ip_header(uint8_t *at, const struct talk *talk, bool client, unsigned l4_len)
{
	memset(at, 0, 40);
	if (talk->v6) {
		at[0] = 0x60;
		put16(at + 4, l4_len);
		at[6] = talk->protocol;
		at[8] = at[24] = 0x20;
		at[client ? 23 : 39] = 1;
		at[client ? 39 : 23] = 2;
		return 40;
	}
	at[0] = 0x45;
	put16(at + 2, 20 + l4_len);
	at[9] = talk->protocol;
	put32(at + 12, client ? 0x0a000001 : 0xc6336402);
	put32(at + 16, client ? 0xc6336402 : 0x0a000001);
	return 20;
}

/* Sends the first `captured` bytes of a packet with the given payload. */
static enum sense_class_state send_cut(struct talk *talk, bool client, unsigned flags, const void *payload,
				       unsigned len, unsigned captured)
{
	uint8_t packet[PACKET_MAX];
	unsigned l4 = talk->protocol == 6 ? 20 : 8, at = ip_header(packet, talk, client, l4 + len);

	memset(packet + at, 0, l4);
	put16(packet + at, client ? CLIENT_PORT : talk->server_port);
	put16(packet + at + 2, client ? talk->server_port : CLIENT_PORT);
	if (talk->protocol == 6) {
		put32(packet + at + 4, talk->seq[!client]);
		put32(packet + at + 8, flags & ACK ? talk->seq[client] : 0);
		packet[at + 12] = 5 << 4;
		packet[at + 13] = (uint8_t)flags;
		talk->seq[!client] += len + (flags & (SYN | FIN) ? 1 : 0);
	} else {
		put16(packet + at + 4, l4 + len);
	}
	if (len)
		memcpy(packet + at + l4, payload, len);
	if (captured > at + l4 + len)
		captured = at + l4 + len;
	uint8_t *exact = malloc(captured ? captured : 1);
	if (!exact)
		abort();
	memcpy(exact, packet, captured);
	struct sense_ip_packet ip = {
	    .ip = exact, .len = captured, .ts_us = 1700000000000000, .from_initiator = client};
	enum sense_class_state state = ops->packet(module, talk->state, &ip, &class);
	free(exact);
	return state;
}

static enum sense_class_state send(struct talk *talk, bool client, unsigned flags, const void *payload,
				   unsigned len)
{
	return send_cut(talk, client, flags, payload, len, PACKET_MAX);
}

static void shake_hands(struct talk *talk)
{
	send(talk, true, SYN, NULL, 0);
	send(talk, false, SYN | ACK, NULL, 0);
	send(talk, true, ACK, NULL, 0);
}

/* A ClientHello for a name, with a key share of `bulk` bytes behind it. */
static unsigned client_hello(uint8_t *out, const char *name, unsigned bulk)
{
	unsigned n = (unsigned)strlen(name), at = 9;

	memset(out, 0, 9 + 2 + 32);
	at += 34;
	memcpy(out + at, "\0\0\4\x13\1\x13\2\1\0", 9);
	at += 9;
	put16(out + at, 9 + n + 4 + bulk);
	put16(out + at + 2, 0);
	put16(out + at + 4, n + 5);
	put16(out + at + 6, n + 3);
	out[at + 8] = 0;
	put16(out + at + 9, n);
	memcpy(out + at + 11, name, n);
	at += 11 + n;
	put16(out + at, 51);
	put16(out + at + 2, bulk);
	memset(out + at + 4, 'k', bulk);
	at += 4 + bulk;
	memcpy(out, "\x16\3\1", 3);
	put16(out + 3, at - 5);
	out[5] = 1;
	put16(out + 7, at - 9);
	put16(out + 9, 0x0303);
	return at;
}

/* A ServerHello that selects TLS 1.3, or 1.2 by having no extension. */
static unsigned server_hello(uint8_t *out, bool tls13)
{
	unsigned at = 43;

	memset(out, 0, at);
	memcpy(out + at, "\0\x13\1\0", 4);
	at += 4;
	if (tls13) {
		memcpy(out + at, "\0\6\0\x2b\0\2\3\4", 8);
		at += 8;
	}
	memcpy(out, "\x16\3\3", 3);
	put16(out + 3, at - 5);
	out[5] = 2;
	put16(out + 7, at - 9);
	put16(out + 9, 0x0303);
	return at;
}

static void is_class(const char *master, const char *app, const char *what)
{
	is_str(class.master ? ops->protocol_name(module, class.master) : "", master, "%s: master protocol",
	       what);
	is_str(ops->protocol_name(module, class.app), app, "%s: protocol", what);
}

/* ---- tests ---------------------------------------------------------------------------------------- */

static void test_name(bool v6, const char *what)
{
	struct talk talk = talk_start(6, 443);
	uint8_t hello[PACKET_MAX];

	talk.v6 = v6;
	shake_hands(&talk);
	ok(!class.app, "%s: nothing is known after the handshake", what);
	ok(send(&talk, true, ACK, hello, client_hello(hello, "www.wikipedia.org", 100)) == SENSE_CLASS_DONE,
	   "%s: the name decides", what);
	is_class("TLS", "Wikipedia", what);
	is_num(class.guessed, 0, "%s: not guessed", what);
	talk_end(&talk);
}

static void test_split(void)
{
	struct talk talk = talk_start(6, 443);
	uint8_t hello[PACKET_MAX];
	unsigned len = client_hello(hello, "www.wikipedia.org", 1700);

	shake_hands(&talk);
	ok(send(&talk, true, ACK, hello, 1300) == SENSE_CLASS_MORE,
	   "split: half a ClientHello is not enough");
	ok(send(&talk, false, ACK, NULL, 0) == SENSE_CLASS_MORE, "split: nor is its acknowledgement");
	ok(send(&talk, true, ACK, hello + 1300, len - 1300) == SENSE_CLASS_DONE, "split: all of it is");
	is_class("TLS", "Wikipedia", "split");
	talk_end(&talk);
}

/* What is held back is given to nDPI when the rest does not come. */
static void test_split_broken(void)
{
	struct talk talk = talk_start(6, 443);
	uint8_t hello[PACKET_MAX];
	unsigned len = client_hello(hello, "www.wikipedia.org", 1700);

	shake_hands(&talk);
	send(&talk, true, ACK, hello, 1300);
	talk.seq[0] += 100;
	send(&talk, true, ACK, hello + 1400, len - 1400);
	ops->finish(module, talk.state, &class);
	is_class("", "TLS", "broken");
	is_num(class.guessed, 1, "broken: guessed");
	talk_end(&talk);

	talk = talk_start(6, 443);
	shake_hands(&talk);
	send(&talk, true, ACK, hello, 1300);
	talk_end(&talk); /* a leak checker sees whether the held segment goes with the flow */

	talk = talk_start(6, 443);
	shake_hands(&talk);
	enum sense_class_state state = SENSE_CLASS_MORE;
	for (unsigned at = 0; at < len; at += 200)
		state = send(&talk, true, ACK, hello + at, len - at < 200 ? len - at : 200);
	ok(state == SENSE_CLASS_DONE, "in more pieces than are held: nDPI gets all of them");
	is_class("TLS", "Wikipedia", "pieces");
	talk_end(&talk);
}

static void test_server_hello(bool tls13, enum sense_class_state want, const char *what)
{
	struct talk talk = talk_start(6, 443);
	uint8_t hello[PACKET_MAX];

	shake_hands(&talk);
	ok(send(&talk, true, ACK, hello, client_hello(hello, "nobody.example", 100)) == SENSE_CLASS_MORE,
	   "%s: a name that says nothing leaves it open", what);
	is_class("", "TLS", what);
	is_num(send(&talk, false, ACK, hello, server_hello(hello, tls13)), want, "%s: after the ServerHello",
	       what);
	is_class("", "TLS", what);
	talk_end(&talk);
}

static void test_dns(void)
{
	static const char query[] = "\x12\x34\1\0\0\1\0\0\0\0\0\0\7example\3com\0\0\1\0";
	static const char reply[] = "\x12\x34\x81\x80\0\1\0\1\0\0\0\0\7example\3com\0\0\1\0\1"
				    "\xc0\x0c\0\1\0\1\0\0\0\x3c\0\4\1\2\3";
	struct talk talk = talk_start(17, 53);

	/* The literals end in the last byte that counts: the terminator is the last octet of each. */
	send(&talk, true, 0, query, sizeof query);
	is_class("", "DNS", "query");
	ok(send(&talk, false, 0, reply, sizeof reply) == SENSE_CLASS_DONE, "DNS: the answer ends it");
	is_class("", "DNS", "reply");
	talk_end(&talk);
}

static void test_guess(void)
{
	struct talk talk = talk_start(6, 443);

	send(&talk, true, SYN, NULL, 0);
	ops->finish(module, talk.state, &class);
	is_class("", "TLS", "a SYN alone");
	is_num(class.guessed, 1, "a SYN alone: guessed by its port");
	talk_end(&talk);

	talk = talk_start(6, 40001);
	ops->finish(module, talk.state, &class);
	is_class("", "Unknown", "no packet at all");
	talk_end(&talk);
}

static void test_bound(uint8_t protocol, unsigned want)
{
	struct talk talk = talk_start(protocol, 40001);
	unsigned n = 0;

	if (protocol == 6)
		n += (unsigned)(send(&talk, true, SYN, NULL, 0) == SENSE_CLASS_MORE);
	while (n < 1000 && send(&talk, n % 2, ACK, "\xe1\xb7\x5a\x91\xee\x03", 6) == SENSE_CLASS_MORE)
		n++;
	is_num(n, want, "IP protocol %u: packets before it is given up", protocol);
	is_class("", "Unknown", "given up");
	talk_end(&talk);
}

/* Each packet cut after each of its bytes, with a length field that promises the rest. */
static void test_cut(void)
{
	uint8_t hello[PACKET_MAX];
	unsigned len = client_hello(hello, "www.wikipedia.org", 40), asked = 0;

	for (unsigned v6 = 0; v6 < 2; v6++) {
		for (unsigned cut = 0; cut < 60 + len; cut++) {
			struct talk talk = talk_start(6, 443);
			talk.v6 = v6;
			shake_hands(&talk);
			asked += send_cut(&talk, true, ACK, hello, len, cut) == SENSE_CLASS_MORE;
			ops->finish(module, talk.state, &class);
			talk_end(&talk);
		}
	}
	is_num(asked, (40 + len) + (60 + len), "a packet that is cut decides nothing");
}

/* A dissector of nDPI runs on over digits at the end of a packet: it must meet our zeros. */
static void test_overrun(void)
{
	struct talk talk = talk_start(6, 655);

	shake_hands(&talk);
	send(&talk, true, ACK, "0 a 17\n", 7);
	send(&talk, false, ACK, "0 b 17\n", 7);
	send(&talk, true, ACK, "1 94 64 0 0123456789", 20);
	send(&talk, false, ACK, "1 94 64 0 0 ABCDEF0123456789", 28);
	ops->finish(module, talk.state, &class);
	ok(true, "digits up to the last byte of a packet");
	talk_end(&talk);
}

int main(void)
{
	const char *build = getenv("SENSE_BUILD");
	char path[4096];
	sense_error error = {0};

	snprintf(path, sizeof path, "%s/plugins/ndpi.so", build ? build : "build");
	void *object = dlopen(path, RTLD_NOW);
	if (!ok(object, "%s loads", path)) {
		fprintf(stderr, "# %s\n", dlerror());
		return tap_done();
	}
	const struct sense_plugin *plugin = dlsym(object, "sense_plugin");
	const uint32_t *abi = dlsym(object, "sense_plugin_abi");
	if (!ok(plugin && abi && *abi >> 16 == SENSE_ABI_MAJOR && plugin->classifier, "it is a classifier"))
		return tap_done();
	ops = plugin->classifier;
	if (!ok(!ops->module_new(&host, &module, &error), "a module: %s", error.message))
		return tap_done();
	is_str(ops->protocol_name(module, 0), "Unknown", "protocol 0");
	is_str(ops->protocol_name(module, 0xffff), "Unknown", "a number that is no protocol");
	test_name(false, "IPv4");
	test_name(true, "IPv6");
	test_split();
	test_split_broken();
	test_server_hello(true, SENSE_CLASS_DONE, "TLS 1.3");
	test_server_hello(false, SENSE_CLASS_MORE, "TLS 1.2");
	test_dns();
	test_guess();
	test_bound(6, 80);
	test_bound(17, 24);
	test_cut();
	test_overrun();
	ops->module_free(module);
	return tap_done();
}
