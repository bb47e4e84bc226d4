/*
 * The classifier plugin over libndpi 4.2: which protocol a flow speaks, by nDPI's own answer.
 *
 * The answer equals that of ndpiReader, which is the reference for what is passed to nDPI and when
 * to stop. What nDPI need not see to come to that answer is kept from it; README.md says what, why
 * it is safe, and what it saves.
 */
#include "core/sense_plugin.h"
#include "plugins/ndpi/hello.h"

#include <stdlib.h>
#include <string.h>

#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Wstrict-prototypes"
#include <ndpi/ndpi_api.h>
#pragma GCC diagnostic pop

/* Packets of a flow after which no more is expected to show up, as in ndpiReader. */
#define MAX_TCP_PACKETS 80u
#define MAX_UDP_PACKETS 24u
#define MAX_IP_BYTES 65535u
#define MAX_HEADERS 120u /* of IPv4 or IPv6, and TCP */

struct flow {
	uint32_t packets;
	struct ndpi_flow_struct ndpi; /* 688 bytes, all zero at first */
};

struct module {
	struct ndpi_detection_module_struct *ndpi;
	uint64_t last_ms; /* time never goes back for nDPI, whatever a capture says */
};

/* The TCP payload of a packet that is whole; bytes is NULL when there is none. */
struct segment {
	const uint8_t *bytes;
	unsigned len;
	unsigned headers; /* bytes before it */
	uint32_t seq;
};

static enum sense_status module_new(const struct sense_host *host, void **module, sense_error *err)
{
	struct module *m = calloc(1, sizeof(*m));
	NDPI_PROTOCOL_BITMASK all;

	if (!m)
		return host->fail(err, SENSE_E_MEMORY, "ndpi", "out of memory");
	if (ndpi_get_api_version() != NDPI_API_VERSION ||
	    ndpi_detection_get_sizeof_ndpi_flow_struct() != sizeof(struct ndpi_flow_struct)) {
		free(m);
		return host->fail(err, SENSE_E_VERSION, "ndpi",
		                  "libndpi %s is not the version that this plugin was built for",
		                  ndpi_revision());
	}
	m->ndpi = ndpi_init_detection_module(ndpi_no_prefs);
	if (!m->ndpi) {
		free(m);
		return host->fail(err, SENSE_E_MEMORY, "ndpi", "libndpi could not be set up");
	}
	NDPI_BITMASK_SET_ALL(all);
	ndpi_set_protocol_detection_bitmask2(m->ndpi, &all);
	ndpi_finalize_initialization(m->ndpi);
	*module = m;
	return SENSE_OK;
}

static void module_free(void *module)
{
	struct module *m = module;

	if (!m)
		return;
	ndpi_exit_detection_module(m->ndpi);
	free(m);
}

static void *flow_new(void *module)
{
	(void)module;
	return calloc(1, sizeof(struct flow));
}

static void flow_free(void *module, void *flow)
{
	struct flow *f = flow;

	(void)module;
	if (!f)
		return;
	ndpi_free_flow_data(&f->ndpi);
	free(f);
}

static void answer(struct sense_class *out, ndpi_protocol p)
{
	out->master = p.master_protocol;
	out->app = p.app_protocol;
	out->guessed = 0;
}

static void finish(void *module, void *flow, struct sense_class *out)
{
	struct module *m = module;
	struct flow *f = flow;
	uint8_t guessed = 0;

	answer(out, ndpi_detection_giveup(m->ndpi, &f->ndpi, 1, &guessed));
	out->guessed = guessed;
}

/* ---- what nDPI need not see ----------------------------------------------------------------- */

static unsigned u16(const uint8_t *p)
{
	return (unsigned)p[0] << 8 | p[1];
}

/* Finds the payload of plain TCP; anything out of the ordinary is left to nDPI itself. */
static struct segment find_segment(const uint8_t *ip, unsigned len)
{
	struct segment none = { 0 }, s = none;
	unsigned total;

	if (len >= 20 && ip[0] >> 4 == 4 && ip[9] == IPPROTO_TCP && !(u16(ip + 6) & 0x3fff)) {
		s.headers = (ip[0] & 15u) * 4;
		total = u16(ip + 2);
	} else if (len >= 40 && ip[0] >> 4 == 6 && ip[6] == IPPROTO_TCP) {
		s.headers = 40;
		total = 40 + u16(ip + 4);
	} else {
		return none;
	}
	if (s.headers < 20 || total > len || s.headers + 20 > total)
		return none;
	s.seq = (uint32_t)u16(ip + s.headers + 4) << 16 | u16(ip + s.headers + 6);
	s.headers += (ip[s.headers + 12] >> 4) * 4u;
	if (s.headers >= total)
		return none;
	s.bytes = ip + s.headers;
	s.len = total - s.headers;
	return s;
}

/*
 * A flow whose first payload nDPI will give to its TLS dissector before any other, because of its
 * port. Elsewhere other dissectors come first and must see the payload as it is.
 */
static bool awaits_hello(const struct ndpi_flow_struct *n)
{
	return n->guessed_protocol_id == NDPI_PROTOCOL_TLS && !n->check_extra_packets &&
	       n->detected_protocol_stack[0] == NDPI_PROTOCOL_UNKNOWN &&
	       n->l4_proto == IPPROTO_TCP && n->l4.tcp.tls.message.buffer_used == 0;
}

/* Gives nDPI the packet with the short form of its ClientHello; false when it has none. */
static bool process_short(struct module *m, struct flow *f, const struct sense_ip_packet *p,
                          const struct segment *s, ndpi_protocol *result)
{
	uint8_t copy[MAX_HEADERS + HELLO_SHORT_MAX];
	struct ndpi_flow_struct *n = &f->ndpi;
	unsigned len, total, i;

	len = s->headers <= MAX_HEADERS ? hello_shorten(s->bytes, s->len, copy + s->headers) : 0;
	if (!len)
		return false;
	memcpy(copy, p->ip, s->headers);
	total = s->headers + len - (p->ip[0] >> 4 == 6 ? 40 : 0);
	copy[p->ip[0] >> 4 == 6 ? 4 : 2] = (uint8_t)(total >> 8);
	copy[p->ip[0] >> 4 == 6 ? 5 : 3] = (uint8_t)total;
	*result = ndpi_detection_process_packet(m->ndpi, n, copy, (unsigned short)(s->headers + len), m->last_ms);
	/* What follows must fit behind the original. */
	for (i = 0; i < 2; i++) {
		if (n->next_tcp_seq_nr[i] == s->seq + len)
			n->next_tcp_seq_nr[i] = s->seq + s->len;
		if (n->l4.tcp.tls.message.next_seq[i] == s->seq + len)
			n->l4.tcp.tls.message.next_seq[i] = s->seq + s->len;
	}
	return true;
}

static bool is_tls(const struct ndpi_flow_struct *n)
{
	return n->l4_proto == IPPROTO_TCP && (n->detected_protocol_stack[1] == NDPI_PROTOCOL_TLS ||
	       (n->detected_protocol_stack[0] == NDPI_PROTOCOL_TLS && !n->detected_protocol_stack[1]));
}

/* Whether the answer stands, though nDPI would look on for more of what it does not depend on. */
static bool is_settled(const struct ndpi_flow_struct *n)
{
	/* By the server name: certificates are matched only when that was of no use. */
	return is_tls(n) && n->detected_protocol_stack[1] && n->protos.tls_quic.subprotocol_detected;
}

static enum sense_class_state packet(void *module, void *flow, const struct sense_ip_packet *p,
                                     struct sense_class *out)
{
	struct module *m = module;
	struct flow *f = flow;
	struct segment s = find_segment(p->ip, p->len);
	unsigned len = p->len < MAX_IP_BYTES ? p->len : MAX_IP_BYTES;
	ndpi_protocol result;
	bool enough;

	if (p->ts_us / 1000 > m->last_ms)
		m->last_ms = p->ts_us / 1000;
	f->packets++;
	/* TLS 1.3 shows no certificate: the name alone decides. */
	if (s.bytes && is_tls(&f->ndpi) && f->ndpi.check_extra_packets &&
	    !f->ndpi.l4.tcp.tls.message.buffer_used && hello_is_server_13(s.bytes, s.len))
		return SENSE_CLASS_DONE;
	if (!s.bytes || !awaits_hello(&f->ndpi) || !process_short(m, f, p, &s, &result))
		result = ndpi_detection_process_packet(m->ndpi, &f->ndpi, p->ip, (unsigned short)len, m->last_ms);

	answer(out, result);
	enough = (f->ndpi.l4_proto == IPPROTO_TCP && f->packets > MAX_TCP_PACKETS) ||
	         (f->ndpi.l4_proto == IPPROTO_UDP && f->packets > MAX_UDP_PACKETS);
	if (!enough && !out->app)
		return SENSE_CLASS_MORE;
	if (!enough && ndpi_extra_dissection_possible(m->ndpi, &f->ndpi) && !is_settled(&f->ndpi))
		return SENSE_CLASS_MORE;
	if (!out->app)
		finish(m, f, out);
	return SENSE_CLASS_DONE;
}

static const char *protocol_name(void *module, uint16_t protocol)
{
	struct module *m = module;

	return ndpi_get_proto_by_id(m->ndpi, protocol);
}

static const struct sense_classifier_ops classifier = {
	.size = sizeof(classifier),
	.module_new = module_new,
	.module_free = module_free,
	.flow_new = flow_new,
	.packet = packet,
	.finish = finish,
	.flow_free = flow_free,
	.protocol_name = protocol_name,
};

SENSE_PLUGIN_EXPORT = {
	.size = sizeof(struct sense_plugin),
	.name = "ndpi",
	.version = "1.0",
	.summary = "protocol of a flow by nDPI 4.2",
	.classifier = &classifier,
};
