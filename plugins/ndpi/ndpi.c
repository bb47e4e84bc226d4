/*
 * The classifier plugin over libndpi 4.2: which protocol a flow speaks, by nDPI's own answer.
 *
 * The answer equals that of ndpiReader, the reference for what nDPI is given and when to stop. What
 * nDPI need not see to come to that answer is kept from it: README.md says what, why that is safe,
 * and what it saves.
 */
#include <stdlib.h>
#include <string.h>

#include "core/sense_plugin.h"
#include "plugins/ndpi/segment.h"

#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Wstrict-prototypes"
#include <ndpi/ndpi_api.h>
#pragma GCC diagnostic pop

/* Packets of a flow after which nDPI's guess is taken, as in ndpiReader. */
#define MAX_PACKETS 80u
#define MAX_UDP_PACKETS 24u

#define MAX_IP_BYTES 65535u
#define TAIL_BYTES 256u /* zeros behind a packet, as nDPI does not always mind its end */
#define MAX_HOLDS 2048u /* bounds the memory for ClientHellos that are waited for to 10 MB */

struct flow {
	uint32_t packets;
	struct hold *hold;            /* NULL unless a ClientHello is being waited for */
	struct ndpi_flow_struct ndpi; /* 688 bytes, all zero at first */
};

struct module {
	struct ndpi_detection_module_struct *ndpi;
	uint64_t last_ms; /* time never goes back for nDPI, whatever a capture says */
	unsigned holds;
	uint8_t packet[MAX_IP_BYTES + TAIL_BYTES];
};

static enum sense_status module_new(const struct sense_host *host, void **module, sense_error *err)
{
	/* Its layout is compiled into this plugin. */
	if (ndpi_get_api_version() != NDPI_API_VERSION ||
	    ndpi_detection_get_sizeof_ndpi_flow_struct() != sizeof(struct ndpi_flow_struct))
		return host->fail(err, SENSE_E_VERSION, "ndpi",
				  "libndpi %s is not the one this was built for", ndpi_revision());
	struct module *m = calloc(1, sizeof *m);
	if (!m)
		return host->fail(err, SENSE_E_MEMORY, "ndpi", "out of memory");
	m->ndpi = ndpi_init_detection_module(ndpi_no_prefs);
	if (!m->ndpi) {
		free(m);
		return host->fail(err, SENSE_E_MEMORY, "ndpi", "libndpi could not be set up");
	}
	NDPI_PROTOCOL_BITMASK all;
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

static void drop_hold(struct module *m, struct flow *f)
{
	if (!f->hold)
		return;
	free(f->hold);
	f->hold = NULL;
	m->holds--;
}

static void flow_free(void *module, void *flow)
{
	struct flow *f = flow;
	if (!f)
		return;
	drop_hold(module, f);
	ndpi_free_flow_data(&f->ndpi);
	free(f);
}

/* ---- what nDPI sees ---------------------------------------------------------------------------- */

static void answer(const struct flow *f, ndpi_protocol protocol, struct sense_class *out)
{
	out->master = protocol.master_protocol;
	out->app = protocol.app_protocol;
	out->guessed = f->ndpi.confidence == NDPI_CONFIDENCE_MATCH_BY_PORT ||
		       f->ndpi.confidence == NDPI_CONFIDENCE_MATCH_BY_IP;
}

/* Whether nDPI looks at no more packets of the flow and only returns what it has. */
static bool is_closed(const struct ndpi_flow_struct *n)
{
	return n->fail_with_unknown || n->num_processed_pkts >= NDPI_MAX_NUM_PKTS_PER_FLOW_TO_DISSECT;
}

/* Gives nDPI a copy of one packet, so that what it reads behind the end is zero. */
static void look(struct module *m, struct flow *f, const uint8_t *ip, unsigned len, struct sense_class *out)
{
	if (is_closed(&f->ndpi))
		return;
	if (len > MAX_IP_BYTES)
		len = MAX_IP_BYTES;
	memcpy(m->packet, ip, len);
	memset(m->packet + len, 0, TAIL_BYTES);
	answer(f,
	       ndpi_detection_process_packet(m->ndpi, &f->ndpi, m->packet, (unsigned short)len, m->last_ms),
	       out);
}

/* Gives nDPI after all what was held back. */
static void release(struct module *m, struct flow *f, struct sense_class *out)
{
	struct hold *h = f->hold;
	for (unsigned i = 0; h && i < h->count; i++)
		look(m, f, h->bytes + h->packets[i].at, h->packets[i].len, out);
	drop_hold(m, f);
}

static void finish(void *module, void *flow, struct sense_class *out)
{
	struct module *m = module;
	struct flow *f = flow;
	uint8_t guessed;
	release(m, f, out);
	answer(f, ndpi_detection_giveup(m->ndpi, &f->ndpi, 1, &guessed), out);
}

/* ---- what nDPI need not see -------------------------------------------------------------------- */

static bool is_undecided_tcp(const struct ndpi_flow_struct *n)
{
	return n->l4_proto == IPPROTO_TCP && !n->detected_protocol_stack[0] && !n->check_extra_packets &&
	       !n->fail_with_unknown;
}

/*
 * Until the first payload only the first packet (SYN) matters to a dissector; of the rest of the
 * handshake nDPI notes flags and sequence numbers, which is done here in its stead.
 */
static bool skip_handshake(struct ndpi_flow_struct *n, const struct segment *s)
{
	unsigned direction = s->sport < s->dport;
	if (!s->headers || segment_payload(s) || !(s->flags & TCP_ACK) || s->flags & TCP_RST ||
	    !is_undecided_tcp(n) || !n->init_finished || n->packet_counter)
		return false;
	if (n->num_processed_pkts < NDPI_MAX_NUM_PKTS_PER_FLOW_TO_DISSECT)
		n->num_processed_pkts++;
	if (s->flags & TCP_SYN)
		n->l4.tcp.seen_syn_ack |= n->l4.tcp.seen_syn && !n->l4.tcp.seen_ack;
	else
		n->l4.tcp.seen_ack |= n->l4.tcp.seen_syn && n->l4.tcp.seen_syn_ack;
	if (!n->next_tcp_seq_nr[0] || !n->next_tcp_seq_nr[1]) {
		n->next_tcp_seq_nr[direction] = s->seq + (s->flags & TCP_SYN ? 1 : 0);
		n->next_tcp_seq_nr[!direction] = s->ack;
	}
	return true;
}

/*
 * A flow whose first payload nDPI would give to its TLS dissector before any other, because of its
 * port. Elsewhere other dissectors come first and must see the payload as it is.
 */
static bool awaits_hello(const struct ndpi_flow_struct *n)
{
	return is_undecided_tcp(n) && n->guessed_protocol_id == NDPI_PROTOCOL_TLS && !n->packet_counter &&
	       !n->l4.tcp.tls.message.buffer_used;
}

static void put16(uint8_t *at, unsigned value)
{
	at[0] = (uint8_t)(value >> 8);
	at[1] = (uint8_t)value;
}

/* Gives nDPI the short form of a ClientHello that ends with segment s; false when there is none. */
static bool look_short(struct module *m, struct flow *f, const struct segment *s, const uint8_t *hello,
		       unsigned len, struct sense_class *out)
{
	uint8_t packet[SEGMENT_HEADERS_MAX + HELLO_SHORT_MAX];
	uint32_t end = s->seq + segment_payload(s), start = end - len;
	struct ndpi_flow_struct *n = &f->ndpi;

	len = hello_shorten(hello, len, packet + s->headers);
	if (!len)
		return false;
	memcpy(packet, s->ip, s->headers);
	if (s->ip[0] >> 4 == 6)
		put16(packet + 4, s->headers + len - 40); /* payload length */
	else
		put16(packet + 2, s->headers + len); /* total length */
	put16(packet + s->tcp + 4, start >> 16);
	put16(packet + s->tcp + 6, start & 0xffff);
	look(m, f, packet, s->headers + len, out);
	/* What follows must fit behind the original. */
	for (unsigned i = 0; i < 2; i++) {
		if (n->next_tcp_seq_nr[i] == start + len)
			n->next_tcp_seq_nr[i] = end;
		if (n->l4.tcp.tls.message.next_seq[i] == start + len)
			n->l4.tcp.tls.message.next_seq[i] = end;
	}
	return true;
}

/* Keeps a segment back that begins or continues a ClientHello; false when it cannot be. */
static bool hold_back(struct module *m, struct flow *f, const struct segment *s)
{
	if (!f->hold) {
		if (m->holds == MAX_HOLDS)
			return false;
		f->hold = malloc(sizeof *f->hold);
		if (!f->hold)
			return false;
		f->hold->used = f->hold->count = 0;
		m->holds++;
	}
	return hold_add(f->hold, s);
}

/* Whether the packet is dealt with as (a part of) a ClientHello. */
static bool take_hello(struct module *m, struct flow *f, const struct segment *s, struct sense_class *out)
{
	uint8_t whole[HELLO_MAX];
	const uint8_t *hello = s->ip + s->headers;
	unsigned len = segment_payload(s), held = 0;

	if (!s->headers || !awaits_hello(&f->ndpi))
		return false;
	if (f->hold) {
		len = s->seq == f->hold->next ? hold_join(f->hold, s, whole) : 0;
		hello = whole;
		held = f->hold->count;
	}
	if (hello_is_partial(hello, len))
		return hold_back(m, f, s);
	if (!look_short(m, f, s, hello, len, out))
		return false;
	f->ndpi.num_processed_pkts = (uint16_t)(f->ndpi.num_processed_pkts + held);
	f->ndpi.packet_counter = (uint16_t)(f->ndpi.packet_counter + held);
	drop_hold(m, f);
	return true;
}

static bool is_tls(const struct ndpi_flow_struct *n)
{
	const uint16_t *stack = n->detected_protocol_stack;
	return n->l4_proto == IPPROTO_TCP && (stack[1] ? stack[1] : stack[0]) == NDPI_PROTOCOL_TLS;
}

/* TLS 1.3 shows no certificate: from its ServerHello on the answer stands as it is. */
static bool is_last_of_tls(const struct ndpi_flow_struct *n, const struct segment *s)
{
	return s->headers && is_tls(n) && n->check_extra_packets && !n->l4.tcp.tls.message.buffer_used &&
	       hello_is_server_13(s->ip + s->headers, segment_payload(s));
}

/* A protocol by server name: certificates are matched only when the name was of no use. */
static bool is_settled_by_name(const struct ndpi_flow_struct *n)
{
	return is_tls(n) && n->detected_protocol_stack[1] && n->protos.tls_quic.subprotocol_detected;
}

/* ---- packet by packet -------------------------------------------------------------------------- */

static enum sense_class_state packet(void *module, void *flow, const struct sense_ip_packet *p,
				     struct sense_class *out)
{
	struct module *m = module;
	struct flow *f = flow;
	struct ndpi_flow_struct *n = &f->ndpi;
	struct segment s = segment_find(p->ip, p->len);
	ndpi_protocol so_far = {.master_protocol = n->detected_protocol_stack[1],
				.app_protocol = n->detected_protocol_stack[0]};

	answer(f, so_far, out);
	if (p->ts_us / 1000 > m->last_ms)
		m->last_ms = p->ts_us / 1000;
	f->packets++;
	if (is_last_of_tls(n, &s))
		return SENSE_CLASS_DONE;
	if (!skip_handshake(n, &s) && !take_hello(m, f, &s, out)) {
		release(m, f, out);
		look(m, f, p->ip, p->len, out);
	}
	if (f->packets > (n->l4_proto == IPPROTO_UDP ? MAX_UDP_PACKETS : MAX_PACKETS)) {
		if (!out->app)
			finish(m, f, out);
		return SENSE_CLASS_DONE;
	}
	if (!out->app)
		return SENSE_CLASS_MORE;
	if (is_settled_by_name(n) || is_closed(n) || !ndpi_extra_dissection_possible(m->ndpi, n))
		return SENSE_CLASS_DONE;
	return SENSE_CLASS_MORE;
}

static const char *protocol_name(void *module, uint16_t protocol)
{
	struct module *m = module;
	return ndpi_get_proto_name(m->ndpi, protocol);
}

static const struct sense_classifier_ops classifier = {
    .size = sizeof classifier,
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
    .version = "1.0.0",
    .summary = "The protocol of each flow, by nDPI 4.2",
    .classifier = &classifier,
};
