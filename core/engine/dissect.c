/*
 * Packets to metadata: which dissector sees which payload, and what its answer means for the flow.
 *
 * A flow is `settled` once the dissectors have said all that classification waits for. It is done
 * (SENSE_FLOW_NAMES_DONE) when no later packet can add anything; HTTP and DNS connections are
 * settled by their first message and never done, because each further message can be about another
 * service.
 */
#include <string.h>

#include "core/engine/internal.h"

#define PAYLOAD_PACKETS_MAX 24 /* looked at before a flow is given up as something else */
#define HELLO_PACKETS_MAX 2048 /* as many when a hello is half read: 16 kB in pieces of 8 bytes */
#define STRIKES_MAX 3          /* DNS messages that do not parse before a port is taken for another use */
#define HTTP_REQUESTS_MAX 1000 /* looked at on one connection */
#define ASSEMBLIES_MAX 4096    /* hellos half read at one time, of at most 28 kB each */

enum { IP_TCP = 6, IP_UDP = 17 };

static void done(struct sense_flow *flow)
{
	flow->work->settled = true;
	flow->flags |= SENSE_FLOW_NAMES_DONE;
}

static void give_up(struct sense_flow *flow)
{
	flow->work->speech = SENSE_SPEECH_OTHER;
	done(flow);
}

static bool is_dns_port(const struct sense_flow *flow)
{
	static const uint16_t ports[] = {53, 5353, 5355}; /* DNS, mDNS (RFC 6762), LLMNR (RFC 4795) */
	for (size_t i = 0; i < sizeof ports / sizeof *ports; i++)
		if (flow->key.port_a == ports[i] || flow->key.port_b == ports[i])
			return true;
	return false;
}

/* A segment that carries SYN has its payload one number later (TCP Fast Open, RFC 7413). */
static uint32_t payload_seq(const struct sense_decoded *packet)
{
	return packet->tcp_seq + ((packet->tcp_flags & SENSE_TCP_SYN) != 0);
}

/* Too many hellos are half read: the one that came last goes, so that a flood costs the flooder. */
static void assembly_drop(sense_engine *engine, struct sense_flow *flow)
{
	engine->stats.assemblies_dropped++;
	sense_dissect_end(engine, flow);
}

/* ---- TLS and QUIC ------------------------------------------------------------------------------ */

static void hello_learn(sense_engine *engine, struct sense_flow *flow, bool quic)
{
	const struct sense_hello *hello = &engine->hello;
	struct sense_flow_meta *meta = sense_meta_of(engine, flow);
	engine->stats.hellos++;
	if (quic)
		flow->flags |= SENSE_FLOW_QUIC;
	if (!meta)
		return;
	sense_meta_set(engine, &meta->alpn, hello->alpn);
	sense_meta_set(engine, &meta->ja3, hello->ja3);
	sense_meta_set(engine, &meta->ja4, hello->ja4);
	sense_meta_host(engine, flow, hello->sni, strlen(hello->sni), SENSE_HOST_SNI);
	if (!meta->tls_version)
		meta->tls_version = hello->version;
	meta->hello_state = hello->ech && !hello->ech_grease_likely ? SENSE_HELLO_ECH
	                    : hello->has_sni                        ? SENSE_HELLO_SNI
	                                                            : SENSE_HELLO_NO_SNI;
	struct sense_event event = {.kind = SENSE_EVENT_TLS, .hello = hello};
	sense_raise(engine, flow, &event);
}

static void hello_missed(sense_engine *engine, struct sense_flow *flow)
{
	struct sense_flow_meta *meta = sense_meta_of(engine, flow);
	if (!meta || meta->hello_state != SENSE_HELLO_NONE)
		return;
	meta->hello_state = SENSE_HELLO_MISSED;
	engine->stats.hellos_missed++;
}

static void tls_segment(sense_engine *engine, struct sense_flow *flow,
                        const struct sense_decoded *packet, unsigned side)
{
	struct sense_flow_work *work = flow->work;
	struct sense_direction *mine = &work->side[side], *other = &work->side[!side];
	if (mine->done)
		return;
	bool held = mine->tls != NULL;
	enum sense_tls_result result =
	    sense_tls_segment(&mine->tls, payload_seq(packet), mine->start_known, mine->start,
	                      packet->payload, packet->payload_len, &engine->hello);
	engine->assemblies += (mine->tls != NULL) - held;
	if (result == SENSE_TLS_MORE) {
		if (engine->assemblies > ASSEMBLIES_MAX)
			assembly_drop(engine, flow);
		return;
	}
	mine->done = true;
	if (result == SENSE_TLS_NO) {
		/* One side that is not TLS decides, unless the other already proved that it is. */
		if (work->speech == SENSE_SPEECH_UNDECIDED && other->done)
			give_up(flow);
		return;
	}
	work->speech = SENSE_SPEECH_TLS;
	if (result == SENSE_TLS_CLIENT_HELLO) {
		hello_learn(engine, flow, false);
	} else if (result == SENSE_TLS_SERVER_HELLO && engine->hello.version) {
		struct sense_flow_meta *meta = sense_meta_of(engine, flow);
		if (meta)
			meta->tls_version = engine->hello.version;
	} else if (result == SENSE_TLS_RECORDS && !other->tls) {
		hello_missed(engine, flow);
	}
	if (flow->meta && flow->meta->hello_state != SENSE_HELLO_NONE)
		work->settled = true;
	if (mine->done && other->done)
		done(flow);
}

static void quic_datagram(sense_engine *engine, struct sense_flow *flow,
                          const struct sense_decoded *packet)
{
	struct sense_flow_work *work = flow->work;
	uint32_t version = 0;
	bool held = work->quic != NULL;
	enum sense_quic_result result =
	    sense_quic_datagram(engine->quic, &work->quic, packet->payload, packet->payload_len,
	                        &version, &engine->hello);
	engine->assemblies += (work->quic != NULL) - held;
	if (version || result == SENSE_QUIC_MORE || result == SENSE_QUIC_OTHER)
		work->speech = SENSE_SPEECH_QUIC;
	if (result == SENSE_QUIC_CLIENT_HELLO) {
		hello_learn(engine, flow, true);
		done(flow);
	} else if (work->speech == SENSE_SPEECH_UNDECIDED && ++work->strikes >= 2) {
		give_up(flow);
	} else if (engine->assemblies > ASSEMBLIES_MAX) {
		assembly_drop(engine, flow);
	}
}

/* ---- HTTP ---------------------------------------------------------------------------------------- */

static void request_learn(sense_engine *engine, struct sense_flow *flow, unsigned side)
{
	const struct sense_http *http = &engine->http;
	struct sense_flow_meta *meta = sense_meta_of(engine, flow);
	struct sense_signal signal = {0};
	engine->stats.http_requests++;
	if (!meta)
		return;
	sense_meta_set(engine, &meta->http_method, http->method);
	sense_meta_set(engine, &meta->http_path, http->path);
	sense_meta_set(engine, &meta->user_agent, http->user_agent);
	sense_meta_set(engine, &meta->content_type, http->content_type);
	sense_meta_host(engine, flow, http->host, strlen(http->host), SENSE_HOST_HTTP);
	sense_signal_of(engine->config.catalogue, http, sense_flow_port(flow, !side), &signal);
	meta->credential = http->credential;
	meta->markers |= http->markers;
	meta->http_requests += meta->http_requests < UINT16_MAX;
	if (signal.client)
		meta->client = signal.client;
	if (signal.score > meta->signal_score) {
		meta->signal_score = signal.score;
		meta->signal = signal.label;
	}
	struct sense_event event = {.kind = SENSE_EVENT_HTTP, .http = http, .signal = &signal};
	sense_raise(engine, flow, &event);
}

static void http_segment(sense_engine *engine, struct sense_flow *flow,
                         const struct sense_decoded *packet, unsigned side)
{
	struct sense_flow_work *work = flow->work;
	struct sense_direction *mine = &work->side[side];
	if (!mine->http && !sense_http_looks_like_request(packet->payload, packet->payload_len))
		return;
	enum sense_http_result result =
	    sense_http_segment(&mine->http, payload_seq(packet), packet->payload, packet->payload_len,
	                       &engine->http);
	if (result == SENSE_HTTP_NO && !(flow->meta && flow->meta->http_requests))
		work->settled = true; /* it began like a request and was none that can be read */
	if (result != SENSE_HTTP_REQUEST)
		return;
	request_learn(engine, flow, side);
	/* Behind CONNECT comes the tunnel, most often TLS to that very host: wait for its name. */
	work->settled = strcmp(engine->http.method, "CONNECT") != 0;
	if (flow->meta && flow->meta->http_requests >= HTTP_REQUESTS_MAX)
		done(flow);
}

/* A connection may turn to TLS in the middle: behind a proxy's CONNECT, or by STARTTLS (RFC 3207). */
static void turn_to_tls(struct sense_flow *flow, const struct sense_decoded *packet, unsigned side)
{
	struct sense_flow_work *work = flow->work;
	for (unsigned i = 0; i < 2; i++) {
		sense_http_free(work->side[i].http);
		work->side[i] = (struct sense_direction){0};
	}
	work->side[side].start = payload_seq(packet);
	work->side[side].start_known = true;
	work->speech = SENSE_SPEECH_UNDECIDED;
	work->payload_packets = 0;
}

/* ---- DNS ----------------------------------------------------------------------------------------- */

struct dns_context {
	sense_engine *engine;
	struct sense_flow *flow;
	unsigned side;
};

static void dns_learn(void *context, const struct sense_dns *dns)
{
	struct dns_context *c = context;
	size_t len = strlen(dns->name);
	c->engine->stats.dns_messages++;
	c->flow->work->settled = true;
	sense_meta_host(c->engine, c->flow, dns->name, len, SENSE_HOST_DNS);
	/* mDNS and LLMNR responses come from any neighbour: they name hosts, not services. */
	if (dns->response && dns->answer_count && sense_flow_port(c->flow, c->side) == 53)
		sense_namecache_learn(c->engine->cache, sense_flow_addr(c->flow, !c->side), dns,
		                      c->engine->now);
	/* The flow's host is the latest name asked for, unless a stronger source named it. */
	struct sense_event event = {.kind = SENSE_EVENT_DNS, .dns = dns};
	event.host_row = sense_catalogue_host(c->engine->config.catalogue, dns->name, len);
	sense_raise(c->engine, c->flow, &event);
}

static void dns_payload(sense_engine *engine, struct sense_flow *flow,
                        const struct sense_decoded *packet, unsigned side)
{
	struct sense_flow_work *work = flow->work;
	struct dns_context context = {engine, flow, side};
	work->speech = SENSE_SPEECH_DNS;
	if (packet->l4 == IP_TCP) {
		struct sense_direction *mine = &work->side[side];
		if (mine->done)
			return;
		mine->done = !sense_dns_tcp_segment(&mine->dns, payload_seq(packet), packet->payload,
		                                    packet->payload_len, dns_learn, &context);
		if (mine->done && work->side[!side].done)
			done(flow);
		return;
	}
	enum sense_status status = sense_dns_parse(packet->payload, packet->payload_len, &engine->dns);
	/* Cut by the snap length: the name that was still read counts. */
	if (status == SENSE_OK || (status == SENSE_E_TRUNCATED && *engine->dns.name))
		dns_learn(&context, &engine->dns);
	else if (++work->strikes >= STRIKES_MAX)
		done(flow);
}

/* ---- which dissector ----------------------------------------------------------------------------- */

static void tcp_payload(sense_engine *engine, struct sense_flow *flow,
                        const struct sense_decoded *packet, unsigned side)
{
	struct sense_flow_work *work = flow->work;
	if (work->speech == SENSE_SPEECH_HTTP &&
	    sense_tls_looks_like_hello(packet->payload, packet->payload_len))
		turn_to_tls(flow, packet, side);
	if (work->speech == SENSE_SPEECH_UNDECIDED) {
		if (is_dns_port(flow)) {
			work->speech = SENSE_SPEECH_DNS;
		} else if (!work->side[0].tls && !work->side[1].tls &&
		           sense_http_looks_like_request(packet->payload, packet->payload_len)) {
			work->speech = SENSE_SPEECH_HTTP;
		}
	}
	if (work->speech == SENSE_SPEECH_HTTP)
		http_segment(engine, flow, packet, side);
	else if (work->speech == SENSE_SPEECH_DNS)
		dns_payload(engine, flow, packet, side);
	else
		tls_segment(engine, flow, packet, side);
}

void sense_dissect_packet(sense_engine *engine, struct sense_flow *flow,
                          const struct sense_decoded *packet, unsigned side)
{
	struct sense_flow_work *work = flow->work;
	if (packet->l4 == IP_TCP && packet->tcp_flags & SENSE_TCP_SYN) {
		work->side[side].start = packet->tcp_seq + 1;
		work->side[side].start_known = true;
	}
	if (!packet->payload_len)
		return;
	if (packet->l4 == IP_TCP)
		tcp_payload(engine, flow, packet, side);
	else if (packet->l4 != IP_UDP)
		give_up(flow);
	else if (is_dns_port(flow))
		dns_payload(engine, flow, packet, side);
	else
		quic_datagram(engine, flow, packet);
	bool lasting = work->speech == SENSE_SPEECH_HTTP || work->speech == SENSE_SPEECH_DNS;
	if (lasting || flow->flags & SENSE_FLOW_NAMES_DONE)
		return;
	bool begun = sense_tls_begun(work->side[0].tls) || sense_tls_begun(work->side[1].tls);
	if (++work->payload_packets >= (begun ? HELLO_PACKETS_MAX : PAYLOAD_PACKETS_MAX))
		sense_dissect_end(engine, flow);
}

void sense_dissect_end(sense_engine *engine, struct sense_flow *flow)
{
	struct sense_flow_work *work = flow->work;
	/* A handshake that began and never became whole is a gap in what we cover: say so. */
	if (work->speech == SENSE_SPEECH_QUIC) {
		flow->flags |= SENSE_FLOW_QUIC;
		hello_missed(engine, flow);
	} else if (work->speech == SENSE_SPEECH_TLS) {
		hello_missed(engine, flow);
	}
	done(flow);
}
