/*
 * What the files of core/engine/ share; nothing outside includes this.
 */
#ifndef SENSE_ENGINE_INTERNAL_H
#define SENSE_ENGINE_INTERNAL_H

#include "core/engine/engine.h"
#include "core/flow/frag.h"
#include "core/names/namecache.h"
#include "core/names/quic.h"
#include "core/names/tls.h"

#define MINUTE_US UINT64_C(60000000)
#define SENSE_HELD_MAX 256u

/* What a flow's payload was found to be. */
enum sense_speech {
	SENSE_SPEECH_UNDECIDED,
	SENSE_SPEECH_TLS,
	SENSE_SPEECH_HTTP,
	SENSE_SPEECH_DNS,
	SENSE_SPEECH_QUIC,
	SENSE_SPEECH_OTHER
};

/* One direction of a TCP connection while its first bytes are looked at. */
struct sense_direction {
	union {
		sense_tls *tls;
		sense_http_state *http;
		sense_dns_tcp *dns;
	};
	uint32_t start; /* sequence number of the first payload byte, when start_known */
	bool start_known;
	bool done;
};

/* State of a flow about which something is still being found out. */
struct sense_flow_work {
	struct sense_flow_work *next_free;
	void *class_state;
	sense_quic *quic;
	struct sense_direction side[2]; /* [0] the first sender */
	uint8_t speech;                 /* enum sense_speech */
	uint16_t payload_packets;       /* looked at so far */
	uint8_t strikes;                /* datagrams that did not parse */
	bool settled;                   /* names have said what they can before classification */
};

/* How a rule fares. */
struct sense_rule_health {
	struct sense_rule_stats stats;
	uint32_t told; /* kinds of failure already reported, bits 1 << enum sense_status */
};

/* Activities that indicators were added to while an event's rules were gone through. */
#define SENSE_FUSION_MAX 16

struct sense_host_event;

struct sense_fusion {
	unsigned count;
	unsigned told; /* of them, from the first */
	struct sense_fusion_part {
		uint64_t key;
		const struct sense_rule *rule; /* the latest of them */
		bool arrived;
	} parts[SENSE_FUSION_MAX];
};

struct sense_engine {
	struct sense_engine_config config;
	sense_flow_table *table;
	sense_frag *frag;
	sense_intern *strings;
	sense_namecache *cache;
	sense_quic_crypto *quic;
	void *class_module;
	struct sense_flow_work *free_work;
	struct sense_arena work_memory;
	struct sense_arena meta_memory;
	struct sense_flow_meta *free_meta;
	struct sense_arena finding_memory; /* strings of the finding in hand */
	struct sense_event_names names;
	struct sense_hello hello; /* scratch for the dissectors: too large for each stack frame */
	struct sense_http http;
	struct sense_dns dns;
	struct sense_rule_health *health; /* by rule number */
	struct sense_fusion fusion;
	uint32_t undecided;  /* flows with a state of the classifier's */
	uint32_t assemblies; /* hellos half read: objects held by work->side[].tls and work->quic */
	uint64_t sequence; /* of findings, for their ids */
	uint64_t now;      /* capture time, never backwards within one capture */
	struct sense_actor **actors; /* by place on the board, each with a reference; NULL: none yet */
	struct sense_held {
		struct sense_flow *flow;
		uint64_t first_ts; /* of it: another flow may lie there by now */
		uint64_t since;
	} held[SENSE_HELD_MAX];
	unsigned held_count;
	struct sense_host_event *actor_event; /* scratch: a record that was read */
	uint64_t minute;   /* when the latest timer event's minute began */
	bool hit;          /* some rule held for the event in hand */
	uint16_t unknown_link; /* link type of the latest packet that could not be read for it */
	struct sense_engine_stats stats;
};

/* ---- engine.c ---- */
/* All is known that there is to be known for now: raises flow.classified. */
void sense_flow_classified(sense_engine *engine, struct sense_flow *flow);

/* ---- dissect.c: packets to metadata ---- */
void sense_dissect_packet(sense_engine *engine, struct sense_flow *flow,
                          const struct sense_decoded *packet, unsigned side);
/* No more packets will come: gives up what is pending. */
void sense_dissect_end(sense_engine *engine, struct sense_flow *flow);

/* ---- meta.c: what is known about a flow ---- */
struct sense_flow_meta *sense_meta_of(sense_engine *engine, struct sense_flow *flow);
void sense_meta_set(sense_engine *engine, const struct sense_str **slot, const char *text);
void sense_meta_host(sense_engine *engine, struct sense_flow *flow, const char *host, size_t len,
                     enum sense_host_source source);
void sense_meta_infer_host(sense_engine *engine, struct sense_flow *flow);
void sense_meta_free(sense_engine *engine, struct sense_flow *flow);

/* ---- actor.c: the process at this host's end ---- */
/*
 * Looks for it, if it is not known yet. Between two programs of this host it is the one that began; `late`: the
 * other serves when that one never became known.
 */
void sense_actor_find(sense_engine *engine, struct sense_flow *flow, bool late);
void sense_actor_unref(sense_engine *engine, struct sense_actor *actor); /* NULL is fine */
/*
 * True: the flow is of this host and its process not known yet, so that its classification waits for a moment;
 * sense_actor_release does what is due then.
 */
bool sense_actor_hold(sense_engine *engine, struct sense_flow *flow);
void sense_actor_release(sense_engine *engine);
/* The flow leaves: whether its process became known is counted. */
void sense_actor_count(sense_engine *engine, const struct sense_flow *flow);
void sense_actors_free(sense_engine *engine);
struct sense_flow_work *sense_work_new(sense_engine *engine);
/* The classifier needs its state of the flow no more. */
void sense_class_free(sense_engine *engine, struct sense_flow_work *work);
void sense_work_free(sense_engine *engine, struct sense_flow *flow);
/* Side 0 is the first sender. */
static inline bool sense_flow_side_is_a(const struct sense_flow *flow, unsigned side)
{
	return ((flow->flags & SENSE_FLOW_A_FIRST) != 0) == (side == 0);
}
static inline const struct sense_addr *sense_flow_addr(const struct sense_flow *flow, unsigned side)
{
	return sense_flow_side_is_a(flow, side) ? &flow->key.a : &flow->key.b;
}
static inline uint16_t sense_flow_port(const struct sense_flow *flow, unsigned side)
{
	return sense_flow_side_is_a(flow, side) ? flow->key.port_a : flow->key.port_b;
}

/* ---- raise.c: events to findings ---- */
/* Fills in the event what all events have, and matches it. */
void sense_raise(sense_engine *engine, struct sense_flow *flow, struct sense_event *event);
void sense_raise_flow(sense_engine *engine, enum sense_event_kind kind, struct sense_flow *flow);
void sense_raise_timer(sense_engine *engine);

/* ---- fusion.c: indicators to activities ---- */
/* Of a rule that is an indicator and holds for the event. */
void sense_fusion_add(sense_engine *engine, const struct sense_rule *rule,
                      const struct sense_event *event);
/* What the event changed: the next activity that an event is to be raised for; false: no more. */
bool sense_fusion_next(sense_engine *engine, const struct sense_event *event,
                       struct sense_activity_report *report);

/* ---- record.c ---- */
void sense_flow_report(sense_engine *engine, const struct sense_flow *flow);

#endif
