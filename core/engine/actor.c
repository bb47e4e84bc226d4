/* The process at this host's end of a flow, as the sensor process has it on the board. */
#include <stddef.h>
#include <stdlib.h>
#include <string.h>

#include "core/engine/internal.h"
#include "core/host/board.h"

/* How long a flow may wait for its process: that of a busy machine's sensor process to get its turn. */
#define HOLD_US UINT64_C(250000)

/* The interned string that a value points into. */
static const struct sense_str *str_of(const struct sense_value *value)
{
	if (value->type != SENSE_VALUE_STRING)
		return NULL;
	return (const struct sense_str *)(const void *)(value->string.text - offsetof(struct sense_str, text));
}

void sense_actor_unref(sense_engine *engine, struct sense_actor *actor)
{
	if (!actor || --actor->refs)
		return;
	for (unsigned i = 0; i < SENSE_ACTOR_FIELDS; i++)
		sense_intern_unref(engine->strings, str_of(&actor->values[i]));
	free(actor);
}

void sense_actors_free(sense_engine *engine)
{
	for (unsigned i = 0; engine->actors && i < SENSE_BOARD_ACTORS; i++)
		sense_actor_unref(engine, engine->actors[i]);
	free(engine->actors);
	free(engine->actor_event);
}

/* ---- from the board ------------------------------------------------------------------------------ */

static void value_keep(sense_engine *engine, struct sense_value *to, const struct sense_value *from)
{
	*to = *from;
	if (from->type != SENSE_VALUE_STRING)
		return;
	const struct sense_str *str = sense_intern_get(engine->strings, from->string.text, from->string.len);
	if (!str) {
		engine->stats.out_of_memory++;
		to->type = SENSE_VALUE_NONE;
		return;
	}
	to->string.text = str->text;
	to->string.hash = str->hash;
	to->string.memo = (uint64_t *)&str->memo; /* the one part of it that changes */
}

static struct sense_actor *actor_make(sense_engine *engine, const struct sense_board_place *place,
                                      uint32_t version)
{
	const struct sense_given *given = &engine->actor_event->given;
	struct sense_actor *actor = calloc(1, sizeof *actor);
	if (!actor) {
		engine->stats.out_of_memory++;
		return NULL;
	}
	actor->refs = 1;
	actor->place = place->actor;
	actor->number = place->number;
	actor->version = version;
	for (unsigned i = 0; i < SENSE_ACTOR_FIELDS; i++) {
		unsigned field = SENSE_ACTOR_FIRST + i;
		if (given->known[field / 64] >> field % 64 & 1)
			value_keep(engine, &actor->values[i], &given->values[field]);
	}
	return actor;
}

static bool scratch_make(sense_engine *engine)
{
	if (!engine->actors)
		engine->actors = calloc(SENSE_BOARD_ACTORS, sizeof *engine->actors);
	if (!engine->actor_event)
		engine->actor_event = malloc(sizeof *engine->actor_event);
	return engine->actors && engine->actor_event;
}

/* The actor of a place, made anew when the board has another one by now. Borrowed. */
static struct sense_actor *actor_of(sense_engine *engine, const struct sense_board_place *place)
{
	const struct sense_board *board = engine->config.board;
	uint8_t data[SENSE_BOARD_ACTOR_BYTES];
	size_t len;
	uint32_t version;
	if (!scratch_make(engine) || !sense_board_read(board, place, data, &len, &version))
		return NULL;
	struct sense_actor **slot = &engine->actors[place->actor % SENSE_BOARD_ACTORS];
	struct sense_actor *known = *slot;
	if (known && known->number == place->number && known->version == version)
		return known;
	if (!sense_host_message_read(data, len, engine->actor_event))
		return NULL;
	struct sense_actor *fresh = actor_make(engine, place, version);
	if (!fresh)
		return NULL;
	sense_actor_unref(engine, known);
	*slot = fresh;
	return fresh;
}

/* ---- flows --------------------------------------------------------------------------------------- */

static bool endpoint_find(const sense_engine *engine, const struct sense_flow *flow, unsigned side, bool wide,
                          struct sense_board_place *out)
{
	const struct sense_endpoint key = {
	    .local = *sense_flow_addr(flow, side),
	    .remote = *sense_flow_addr(flow, !side),
	    .local_port = sense_flow_port(flow, side),
	    .remote_port = sense_flow_port(flow, !side),
	    .l4 = flow->key.l4,
	};
	return sense_board_find(engine->config.board, &key, wide, out);
}

static bool has_ports(const struct sense_flow *flow)
{
	return flow->key.l4 == 6 || flow->key.l4 == 17;
}

void sense_actor_find(sense_engine *engine, struct sense_flow *flow, bool late)
{
	const struct sense_board *board = engine->config.board;
	struct sense_board_place place;
	bool found = false;
	if (!board || !has_ports(flow) || (flow->meta && flow->meta->actor))
		return;
	const bool local[2] = {sense_board_is_local(board, sense_flow_addr(flow, 0)),
	                       sense_board_is_local(board, sense_flow_addr(flow, 1))};
	/* What the other end is known by comes sooner than what tells of the first, at times. */
	unsigned sides = local[0] && local[1] && !late ? 1 : 2;
	for (unsigned side = 0; side < sides && !found; side++)
		found = endpoint_find(engine, flow, side, false, &place);
	for (unsigned side = 0; side < sides && !found; side++)
		if (local[side])
			found = endpoint_find(engine, flow, side, true, &place);
	struct sense_actor *actor = found ? actor_of(engine, &place) : NULL;
	struct sense_flow_meta *meta = actor ? sense_meta_of(engine, flow) : NULL;
	if (!meta)
		return;
	actor->refs++;
	meta->actor = actor;
}

/* ---- flows that wait ----------------------------------------------------------------------------- */

bool sense_actor_hold(sense_engine *engine, struct sense_flow *flow)
{
	const struct sense_board *board = engine->config.board;
	if (!board || !has_ports(flow) || engine->held_count == SENSE_HELD_MAX)
		return false;
	sense_actor_find(engine, flow, false);
	if ((flow->meta && flow->meta->actor) || (!sense_board_is_local(board, sense_flow_addr(flow, 0)) &&
	                                          !sense_board_is_local(board, sense_flow_addr(flow, 1))))
		return false;
	engine->held[engine->held_count++] =
	    (struct sense_held){.flow = flow, .first_ts = flow->first_ts, .since = engine->now};
	flow->flags |= SENSE_FLOW_HELD;
	return true;
}

/* A clock that was set back lets all go. */
static bool is_over(sense_engine *engine, const struct sense_held *held)
{
	sense_actor_find(engine, held->flow, false);
	return (held->flow->meta && held->flow->meta->actor) || engine->now < held->since ||
	       engine->now - held->since > HOLD_US;
}

void sense_actor_release(sense_engine *engine)
{
	unsigned kept = 0;
	for (unsigned i = 0; i < engine->held_count; i++) {
		struct sense_held *held = &engine->held[i];
		if (!(held->flow->flags & SENSE_FLOW_HELD) || held->flow->first_ts != held->first_ts)
			continue; /* it has left, and was told of then */
		if (is_over(engine, held))
			sense_flow_classified(engine, held->flow);
		else
			engine->held[kept++] = *held;
	}
	engine->held_count = kept;
}

void sense_actor_count(sense_engine *engine, const struct sense_flow *flow)
{
	const struct sense_board *board = engine->config.board;
	if (!board || !has_ports(flow))
		return;
	if (flow->meta && flow->meta->actor)
		engine->stats.attributed++;
	else if (sense_board_is_local(board, sense_flow_addr(flow, 0)) ||
	         sense_board_is_local(board, sense_flow_addr(flow, 1)))
		engine->stats.unattributed++;
}
