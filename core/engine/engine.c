/* The packet path: from a batch of frames to flows, and the life of a flow. */
#include "core/engine/engine.h"

#include <stdlib.h>
#include <string.h>

#include "core/engine/internal.h"
#include "core/plugin/loader.h"

/*
 * Packets are taken in batches and in three passes, so that the cache misses of one packet's index
 * entry and flow overlap with the decoding of the others.
 */
#define BATCH 32
#define UNDECIDED_MAX 65536u /* flows at the classifier at one time: a flood of them costs 3 kB each */
#define CLOCK_BACK_US UINT64_C(5000000) /* packets wait in a ring for less than that */
#define FRAG_DATAGRAMS 256
#define STRINGS_LIMIT ((size_t)64 << 20)
#define WORK_LIMIT ((size_t)256 << 20)
#define META_LIMIT ((size_t)256 << 20)
#define FINDING_LIMIT ((size_t)1 << 20)

struct slot {
	struct sense_decoded packet;
	struct sense_flow_key key;
	uint64_t hash;
	enum sense_decode_result result;
	bool from_a;
};

/* ---- one flow ------------------------------------------------------------------------------------ */

void sense_flow_classified(sense_engine *engine, struct sense_flow *flow)
{
	flow->flags = (flow->flags & ~(uint32_t)SENSE_FLOW_HELD) | SENSE_FLOW_CLASSIFIED;
	engine->stats.classified += flow->class_app != 0;
	if (flow->key.l4 == 6 || flow->key.l4 == 17)
		sense_meta_infer_host(engine, flow);
	sense_actor_find(engine, flow, false);
	sense_raise_flow(engine, SENSE_EVENT_FLOW_CLASSIFIED, flow);
}

/* Raises flow.classified when both sides are ready, and lets go of state that has served. */
static void flow_settle(sense_engine *engine, struct sense_flow *flow)
{
	struct sense_flow_work *work = flow->work;
	if (flow->flags & SENSE_FLOW_CLASS_DONE)
		sense_class_free(engine, work);
	if (work->settled && flow->flags & SENSE_FLOW_CLASS_DONE &&
	    !(flow->flags & (SENSE_FLOW_CLASSIFIED | SENSE_FLOW_HELD)) && !sense_actor_hold(engine, flow))
		sense_flow_classified(engine, flow);
	if (flow->flags & SENSE_FLOW_NAMES_DONE && flow->flags & SENSE_FLOW_CLASS_DONE)
		sense_work_free(engine, flow);
}

static void class_set(struct sense_flow *flow, const struct sense_class *class)
{
	flow->class_master = class->master;
	flow->class_app = class->app;
	if (class->guessed)
		flow->flags |= SENSE_FLOW_CLASS_GUESSED;
}

static void classify(sense_engine *engine, struct sense_flow *flow,
                     const struct sense_decoded *packet, unsigned side)
{
	struct sense_ip_packet ip = {.ip = packet->ip,
	                             .len = packet->ip_len,
	                             .ts_us = engine->now,
	                             .from_initiator = side == 0};
	struct sense_class class = {0};
	if (engine->config.classifier->packet(engine->class_module, flow->work->class_state, &ip,
	                                      &class) == SENSE_CLASS_DONE) {
		flow->flags |= SENSE_FLOW_CLASS_DONE;
		class_set(flow, &class);
	}
}

static void flow_begin(sense_engine *engine, struct sense_flow *flow, bool from_a)
{
	flow->flags = from_a ? SENSE_FLOW_A_FIRST : 0;
	flow->update_s = (uint32_t)((flow->first_ts + engine->config.update_every_us) / 1000000);
	flow->update_kib = engine->config.update_every_kib;
	engine->stats.flows++;
	flow->work = sense_work_new(engine);
	if (flow->work && engine->config.classifier) {
		if (engine->undecided < UNDECIDED_MAX)
			flow->work->class_state = engine->config.classifier->flow_new(engine->class_module);
		engine->undecided += flow->work->class_state != NULL;
		engine->stats.out_of_memory += !flow->work->class_state;
	}
	if (!flow->work)
		flow->flags |= SENSE_FLOW_NAMES_DONE | SENSE_FLOW_CLASS_DONE;
	else if (!flow->work->class_state)
		flow->flags |= SENSE_FLOW_CLASS_DONE;
	sense_actor_find(engine, flow, false);
	sense_raise_flow(engine, SENSE_EVENT_FLOW_NEW, flow);
}

static void flow_update(sense_engine *engine, struct sense_flow *flow)
{
	flow->update_s = (uint32_t)((engine->now + engine->config.update_every_us) / 1000000);
	uint64_t kib = (flow->bytes[0] + flow->bytes[1]) / 1024 + engine->config.update_every_kib;
	flow->update_kib = kib > UINT32_MAX ? UINT32_MAX : (uint32_t)kib;
	sense_actor_find(engine, flow, true);
	sense_raise_flow(engine, SENSE_EVENT_FLOW_UPDATE, flow);
}

/* The flow leaves the table: what is undecided is decided now. */
static void flow_leave(void *context, struct sense_flow *flow)
{
	sense_engine *engine = context;
	struct sense_flow_work *work = flow->work;
	if (work && !(flow->flags & SENSE_FLOW_NAMES_DONE))
		sense_dissect_end(engine, flow);
	if (work && work->class_state && !(flow->flags & SENSE_FLOW_CLASS_DONE)) {
		struct sense_class class = {0};
		engine->config.classifier->finish(engine->class_module, work->class_state, &class);
		class_set(flow, &class);
	}
	flow->flags |= SENSE_FLOW_CLASS_DONE;
	if (!(flow->flags & SENSE_FLOW_CLASSIFIED))
		sense_flow_classified(engine, flow);
	sense_actor_find(engine, flow, true);
	sense_raise_flow(engine, SENSE_EVENT_FLOW_END, flow);
	sense_actor_count(engine, flow);
	if (engine->config.sink.flow &&
	    (!engine->config.hit_flows_only || flow->flags & SENSE_FLOW_HIT))
		sense_flow_report(engine, flow);
	sense_work_free(engine, flow);
	sense_meta_free(engine, flow);
}

/* ---- one packet ---------------------------------------------------------------------------------- */

static void flow_packet(sense_engine *engine, const struct slot *slot)
{
	const struct sense_decoded *packet = &slot->packet;
	bool created;
	struct sense_flow *flow =
	    sense_flow_table_get(engine->table, &slot->key, slot->hash, engine->now, &created);
	if (created)
		flow_begin(engine, flow, slot->from_a);
	unsigned side = slot->from_a != ((flow->flags & SENSE_FLOW_A_FIRST) != 0);
	flow->packets[side]++;
	flow->bytes[side] += packet->wire_len;
	flow->last_ts = engine->now;
	if (flow->work) {
		if (!(flow->flags & SENSE_FLOW_NAMES_DONE))
			sense_dissect_packet(engine, flow, packet, side);
		if (!(flow->flags & SENSE_FLOW_CLASS_DONE))
			classify(engine, flow, packet, side);
		flow_settle(engine, flow);
	}
	if ((flow->bytes[0] + flow->bytes[1]) >> 10 >= flow->update_kib ||
	    engine->now / 1000000 >= flow->update_s)
		flow_update(engine, flow);
}

static void key_prepare(sense_engine *engine, struct slot *slot)
{
	slot->from_a = sense_flow_key_of(&slot->packet, &slot->key);
	slot->hash = sense_flow_hash(engine->table, &slot->key);
}

static void fragment(sense_engine *engine, struct slot *slot)
{
	struct slot whole = {.result = SENSE_DECODE_OK};
	engine->stats.fragments++;
	if (!sense_frag_add(engine->frag, &slot->packet, &whole.packet))
		return;
	key_prepare(engine, &whole);
	flow_packet(engine, &whole);
}

static void packet_take(sense_engine *engine, struct slot *slot)
{
	struct sense_engine_stats *stats = &engine->stats;
	/* Captures of several queues are not in strict order; time as rules see it never goes back. */
	if (slot->packet.ts_us > engine->now)
		engine->now = slot->packet.ts_us;
	if (engine->now - engine->minute >= MINUTE_US) /* also when it leapt back */
		sense_raise_timer(engine);
	switch (slot->result) {
	case SENSE_DECODE_OK:
		flow_packet(engine, slot);
		break;
	case SENSE_DECODE_FRAGMENT:
		fragment(engine, slot);
		break;
	case SENSE_DECODE_NOT_IP:
		stats->not_ip++;
		break;
	case SENSE_DECODE_TRUNCATED:
		stats->truncated++;
		break;
	case SENSE_DECODE_MALFORMED:
		stats->malformed++;
		break;
	case SENSE_DECODE_UNKNOWN_LINK:
		stats->unknown_link++;
		break;
	}
}

static void batch_take(sense_engine *engine, const struct sense_packet *packets, unsigned count)
{
	struct slot slots[BATCH];
	for (unsigned i = 0; i < count; i++) {
		struct slot *slot = &slots[i];
		slot->packet.ts_us = packets[i].ts_us;
		slot->result = sense_packet_decode(&packets[i], &slot->packet);
		if (slot->result == SENSE_DECODE_UNKNOWN_LINK)
			engine->unknown_link = packets[i].link;
		if (slot->result != SENSE_DECODE_OK)
			continue;
		key_prepare(engine, slot);
		sense_flow_table_prefetch(engine->table, slot->hash);
	}
	for (unsigned i = 0; i < count; i++)
		if (slots[i].result == SENSE_DECODE_OK)
			sense_flow_table_prefetch_flow(engine->table, slots[i].hash);
	for (unsigned i = 0; i < count; i++)
		packet_take(engine, &slots[i]);
}

/* See sense_engine_run: captures that overlap in time do not continue each other. */
static void capture_begin(sense_engine *engine, uint64_t ts_us)
{
	if (!engine->stats.first_ts)
		engine->stats.first_ts = ts_us;
	if (ts_us >= engine->now)
		return;
	sense_flow_table_drain(engine->table);
	engine->now = ts_us;
	sense_namecache *cache = sense_namecache_new(engine->strings, engine->config.max_names);
	if (!cache)
		return; /* the old names serve rather than none */
	sense_namecache_free(engine->cache);
	engine->cache = cache;
}

enum sense_status sense_engine_run(sense_engine *engine, const struct sense_capture_ops *ops,
                                   void *capture, const char *name, sense_error *err)
{
	const struct sense_sink *sink = &engine->config.sink;
	uint64_t idle = engine->config.idle_timeout_us;
	uint64_t unknown = engine->stats.unknown_link;
	bool begun = false, go_on = true;
	while (go_on) {
		struct sense_packet packets[BATCH];
		unsigned count = 0;
		enum sense_status status = ops->read(capture, packets, BATCH, &count, err);
		if (count && !begun)
			capture_begin(engine, packets[0].ts_us);
		begun = begun || count;
		engine->stats.packets += count;
		for (unsigned i = 0; i < count; i++)
			engine->stats.bytes += packets[i].len;
		if (sink->batch)
			go_on = sink->batch(sink->self, sense_engine_stats(engine));
		batch_take(engine, packets, count);
		if (engine->held_count)
			sense_actor_release(engine);
		if (idle && engine->now > idle)
			sense_flow_table_expire(engine->table, engine->now - idle);
		if (status)
			return status;
		go_on = go_on && count;
	}
	unknown = engine->stats.unknown_link - unknown;
	if (!unknown)
		return SENSE_OK;
	const char *link;
	sense_link_known(engine->unknown_link, &link);
	return sense_fail(err, SENSE_E_UNSUPPORTED, "decode",
	                  "%s: %llu packets of link type %u (%s), which is not read, were skipped", name,
	                  (unsigned long long)unknown, engine->unknown_link, link);
}

void sense_engine_clock(sense_engine *engine, uint64_t now_us)
{
	uint64_t idle = engine->config.idle_timeout_us;
	if (now_us > engine->now || engine->now - now_us > CLOCK_BACK_US)
		engine->now = now_us;
	if (engine->held_count)
		sense_actor_release(engine);
	if (engine->now - engine->minute >= MINUTE_US)
		sense_raise_timer(engine);
	if (idle && engine->now > idle)
		sense_flow_table_expire(engine->table, engine->now - idle);
}

void sense_engine_finish(sense_engine *engine)
{
	sense_flow_table_drain(engine->table);
}

/* ---- life of the engine -------------------------------------------------------------------------- */

void sense_engine_free(sense_engine *engine)
{
	if (!engine)
		return;
	if (engine->table) {
		/* Flows still in the table are dropped without events. */
		engine->config.sink = (struct sense_sink){0};
		engine->config.rules = NULL;
		sense_flow_table_drain(engine->table);
	}
	sense_flow_table_free(engine->table);
	sense_actors_free(engine);
	sense_frag_free(engine->frag);
	sense_namecache_free(engine->cache);
	sense_quic_crypto_free(engine->quic);
	sense_intern_free(engine->strings);
	if (engine->class_module)
		engine->config.classifier->module_free(engine->class_module);
	sense_arena_fini(&engine->work_memory);
	sense_arena_fini(&engine->meta_memory);
	sense_arena_fini(&engine->finding_memory);
	free(engine->health);
	free(engine);
}

sense_engine *sense_engine_new(const struct sense_engine_config *config, sense_error *err)
{
	sense_engine *engine = calloc(1, sizeof *engine);
	if (!engine)
		goto memory;
	engine->config = *config;
	engine->sequence = config->sequence;
	sense_arena_init(&engine->work_memory, WORK_LIMIT);
	sense_arena_init(&engine->meta_memory, META_LIMIT);
	sense_arena_init(&engine->finding_memory, FINDING_LIMIT);
	engine->table = sense_flow_table_new(config->max_flows, flow_leave, engine, err);
	if (!engine->table)
		goto fail;
	engine->frag = sense_frag_new(FRAG_DATAGRAMS);
	engine->strings = sense_intern_new(STRINGS_LIMIT);
	engine->quic = sense_quic_crypto_new();
	if (!engine->frag || !engine->strings || !engine->quic)
		goto memory;
	engine->cache = sense_namecache_new(engine->strings, config->max_names);
	engine->health = calloc(sense_ruleset_count(config->rules) + 1u, sizeof *engine->health);
	if (!engine->cache || !engine->health)
		goto memory;
	engine->names = (struct sense_event_names){.catalogue = config->catalogue};
	if (config->classifier) {
		if (config->classifier->module_new(sense_plugin_host(), &engine->class_module, err))
			goto fail;
		engine->names.protocol = config->classifier->protocol_name;
		engine->names.module = engine->class_module;
	}
	return engine;
memory:
	sense_fail(err, SENSE_E_MEMORY, "engine", "no memory for the engine's tables");
fail:
	sense_engine_free(engine);
	return NULL;
}

enum sense_status sense_engine_swap(sense_engine *engine, const sense_ruleset *rules,
                                    const struct sense_script *script, const uint64_t *quarantine,
                                    sense_error *err)
{
	struct sense_rule_health *health = calloc(sense_ruleset_count(rules) + 1u, sizeof *health);
	if (!health)
		return sense_fail(err, SENSE_E_MEMORY, "engine", "no memory for %u rules",
		                  sense_ruleset_count(rules));
	free(engine->health);
	engine->health = health;
	engine->config.rules = rules;
	engine->config.script = *script;
	engine->config.quarantine = quarantine;
	return SENSE_OK;
}

const struct sense_engine_stats *sense_engine_stats(sense_engine *engine)
{
	const struct sense_flow_table_stats *table = sense_flow_table_stats(engine->table);
	struct sense_engine_stats *out = &engine->stats;
	out->flows_evicted = table->evicted;
	out->flows_expired = table->expired;
	out->flows_live = table->live;
	out->flows_peak = table->peak;
	out->fragments_lost = sense_frag_stats(engine->frag)->dropped;
	out->last_ts = engine->now;
	return out;
}

const struct sense_rule_stats *sense_engine_rule_stats(const sense_engine *engine, unsigned rule)
{
	return &engine->health[rule].stats;
}
