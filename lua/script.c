/* core/rules/script.h: the engine asks, a rule's functions answer. */
#include <limits.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "lua/fuse.h"
#include "lua/policy.h"
#include "lua/state.h"
#include "lua/utf8.h"

#define SUMMARY_MAX 512
#define EVIDENCE_MAX 256
#define DETAIL_KEY_MAX 64
#define DETAIL_TEXT_MAX 512

struct answer {
	const struct sense_rule *rule;
	struct sense_arena *arena;
	struct sense_finding *finding;
};

/* Handles of earlier calls are over as soon as the generation moves on. */
static void view_open(sense_lua *lua, const struct sense_event *event)
{
	lua->view.generation += 1;
	lua->view.event = event;
	lua->view.field = -1;
}

static void view_close(sense_lua *lua)
{
	lua->view.generation += 1;
	lua->view.event = NULL;
}

/* The line that the message begins with, if it is one of the chunk's; the message behind it. */
static int place(const char *chunk, const char **message)
{
	char *end;
	size_t name = strlen(chunk);
	if (!name || strncmp(*message, chunk, name) != 0 || (*message)[name] != ':')
		return 0;
	long at = strtol(*message + name + 1, &end, 10);
	if (at <= 0 || at > INT_MAX || strncmp(end, ": ", 2) != 0)
		return 0;
	*message = end + 2;
	return (int)at;
}

/*
 * Puts file, line and rule in front of the message. Where Lua says which line of the policy failed
 * ("ai/chat:12: ..."), that line is meant; else the rule's own: what it ended with by a tail call was
 * called from our own chunk (lua/sense/event.lua), whose lines say nothing to anybody.
 */
static enum sense_status blame(const struct sense_rule *rule, const char *function, enum sense_status status,
			       sense_error *err)
{
	if (!err)
		return status;
	const char *message = err->message;
	int line = place(rule->policy ? rule->policy : "", &message);
	if (!line) {
		place("rule", &message);
		place("rules", &message);
		line = rule->line;
	}
	return sense_fail(err, status, "rule", "%s:%d: rule \"%s\": %s: %s", rule->file ? rule->file : "?",
			  line, rule->id, function, message);
}

static void tell(const struct sense_script_ask *ask, uint32_t number, enum sense_status status,
		 sense_error *err)
{
	const struct sense_rule *rule = sense_ruleset_get(ask->rules, number);
	blame(rule, "when", status, err);
	if (ask->failed)
		ask->failed(ask->context, rule, err);
}

/* ---- one rule by itself ---------------------------------------------------------------------- */

static bool when_one(sense_lua *lua, const struct sense_script_ask *ask, uint32_t number)
{
	sense_error err;
	bool holds = false;
	sense_mark_enter(lua->mark, number);
	lua_rawgeti(lua->L, SENSE_SLOT_WHEN, (int)number + 1);
	enum sense_status status = sense_lua_pcall(lua, 0, 1, lua->limits.soft_us, &err);
	sense_mark_leave(lua->mark);
	if (status) {
		tell(ask, number, status, &err);
	} else {
		holds = lua_toboolean(lua->L, -1);
		lua_settop(lua->L, SENSE_SLOT_TOP);
	}
	return holds;
}

/* ---- several in one call --------------------------------------------------------------------- */

/*
 * Where a fused call came to an end, and whose fault that was: the time limit may name a rule that
 * has just answered, and then the one that it stopped is not done.
 */
static unsigned when_failed(sense_lua *lua, const struct sense_script_ask *ask, enum sense_status status,
			    sense_error *err)
{
	uint32_t at = lua->mark->rule, guilty = at;
	unsigned i = 0;
	if (status == SENSE_E_LIMIT)
		guilty = sense_mark_rule(lua->tick_mark);
	tell(ask, guilty - 1, status, err);
	while (i < ask->count && ask->numbers[i] + 1 != at)
		i++;
	return i + (guilty == at);
}

/* How many of the rules are done; the others have to be asked one by one. */
static unsigned when_fused(sense_lua *lua, const struct sense_script_ask *ask, int place, uint32_t *holds)
{
	sense_error err;
	unsigned done = ask->count;
	memset(lua->view.holds, 0, sizeof lua->view.holds);
	sense_mark_enter(lua->mark, ask->numbers[0]);
	lua_rawgeti(lua->L, SENSE_SLOT_FUSED, place);
	enum sense_status status = sense_lua_pcall(lua, 0, 0, lua->limits.soft_us, &err);
	if (status)
		done = when_failed(lua, ask, status, &err);
	sense_mark_leave(lua->mark);
	for (unsigned i = 0; i < done; i++)
		*holds |= (uint32_t)lua->view.holds[i] << i;
	return done;
}

static uint32_t when(void *self, const struct sense_script_ask *ask)
{
	sense_lua *lua = self;
	uint32_t holds = 0;
	unsigned done = 0;
	sense_lua_room(lua);
	int place = ask->count > 1 ? sense_fuse_find(lua, ask->numbers, ask->count) : 0;
	view_open(lua, ask->event);
	if (place)
		done = when_fused(lua, ask, place, &holds);
	for (; done < ask->count; done++)
		holds |= (uint32_t)when_one(lua, ask, ask->numbers[done]) << done;
	view_close(lua);
	return holds;
}

/* ---- what `finding` returned ----------------------------------------------------------------- */

static const char *clean(lua_State *L, struct answer *answer, const char *text, size_t len, size_t max)
{
	const char *copy = sense_utf8_clean(answer->arena, text, len, max);
	if (!copy)
		luaL_error(L, "no memory for the finding");
	return copy;
}

static const char *clean_top(lua_State *L, struct answer *answer, const char *what, size_t max)
{
	size_t len;
	if (lua_type(L, -1) != LUA_TSTRING)
		luaL_error(L, "%s takes a text, not a %s", what, luaL_typename(L, -1));
	const char *text = lua_tolstring(L, -1, &len);
	return clean(L, answer, text, len, max);
}

static void read_summary(lua_State *L, struct answer *answer)
{
	answer->finding->summary = clean_top(L, answer, "summary", SUMMARY_MAX);
}

static void read_severity(lua_State *L, struct answer *answer)
{
	int severity = lua_type(L, -1) == LUA_TSTRING ? sense_severity_find(lua_tostring(L, -1)) : -1;
	if (severity < 0)
		luaL_error(L, "severity is one of info, low, medium, high, critical");
	answer->finding->severity = sense_severity_name((enum sense_severity)severity);
}

static void read_confidence(lua_State *L, struct answer *answer)
{
	double confidence = lua_type(L, -1) == LUA_TNUMBER ? lua_tonumber(L, -1) : -1;
	if (!(confidence >= 0 && confidence <= 100))
		luaL_error(L, "confidence takes a number from 0 to 100");
	answer->finding->confidence = (uint8_t)lround(confidence);
}

static void read_evidence(lua_State *L, struct answer *answer)
{
	struct sense_finding *finding = answer->finding;
	if (!lua_istable(L, -1))
		luaL_error(L, "evidence takes a list of texts");
	size_t n = lua_objlen(L, -1);
	if (n > SENSE_FINDING_EVIDENCE_MAX)
		luaL_error(L, "evidence holds at most %d texts", SENSE_FINDING_EVIDENCE_MAX);
	finding->evidence_count = 0;
	for (size_t i = 0; i < n; i++) {
		lua_rawgeti(L, -1, (int)i + 1);
		finding->evidence[finding->evidence_count++] = clean_top(L, answer, "evidence", EVIDENCE_MAX);
		lua_pop(L, 1);
	}
}

/* Key at -2, value at -1. */
static void read_detail(lua_State *L, struct answer *answer, struct sense_detail *out)
{
	size_t len;
	if (lua_type(L, -2) != LUA_TSTRING)
		luaL_error(L, "details are named by texts, not by a %s", luaL_typename(L, -2));
	const char *key = lua_tolstring(L, -2, &len);
	out->key = clean(L, answer, key, len, DETAIL_KEY_MAX);
	switch (lua_type(L, -1)) {
	case LUA_TSTRING:
		out->type = SENSE_DETAIL_STRING;
		out->string = clean_top(L, answer, "details", DETAIL_TEXT_MAX);
		break;
	case LUA_TNUMBER:
		out->type = SENSE_DETAIL_NUMBER;
		out->number = lua_tonumber(L, -1);
		if (!isfinite(out->number))
			luaL_error(L, "details.%s is not a finite number", out->key);
		break;
	case LUA_TBOOLEAN:
		out->type = SENSE_DETAIL_BOOL;
		out->boolean = lua_toboolean(L, -1);
		break;
	default:
		luaL_error(L, "details.%s takes a text, a number or a boolean, not a %s", out->key,
			   luaL_typename(L, -1));
	}
}

static int by_key(const void *a, const void *b)
{
	return strcmp(((const struct sense_detail *)a)->key, ((const struct sense_detail *)b)->key);
}

/* The place of a detail: that of the engine's own of this name, which it replaces, or a new one. */
static struct sense_detail *detail_slot(lua_State *L, struct sense_finding *finding, const char *key)
{
	for (unsigned i = 0; i < finding->detail_count; i++)
		if (!strcmp(finding->details[i].key, key))
			return &finding->details[i];
	if (finding->detail_count >= SENSE_FINDING_DETAILS_MAX)
		luaL_error(L, "details hold at most %d values, with those that every finding has",
			   SENSE_FINDING_DETAILS_MAX);
	return &finding->details[finding->detail_count++];
}

static void read_details(lua_State *L, struct answer *answer)
{
	struct sense_finding *finding = answer->finding;
	unsigned own = finding->detail_count;
	if (!lua_istable(L, -1))
		luaL_error(L, "details takes a flat table");
	lua_pushnil(L);
	while (lua_next(L, -2)) {
		struct sense_detail detail = {.key = ""};
		read_detail(L, answer, &detail);
		*detail_slot(L, finding, detail.key) = detail;
		lua_pop(L, 1);
	}
	/* A table has no order of its own that would be the same in the next run. */
	qsort(finding->details + own, finding->detail_count - own, sizeof *finding->details, by_key);
}

static const struct {
	const char *key;
	void (*read)(lua_State *L, struct answer *answer);
} parts[] = {
    {"summary", read_summary},   {"severity", read_severity}, {"confidence", read_confidence},
    {"evidence", read_evidence}, {"details", read_details},
};
#define PARTS (sizeof parts / sizeof *parts)

static void read_part(lua_State *L, struct answer *answer)
{
	static const char *const names[] = {"summary", "severity", "confidence", "evidence", "details", NULL};
	const char *key = lua_type(L, -2) == LUA_TSTRING ? lua_tostring(L, -2) : "(not a text)";
	for (size_t i = 0; i < PARTS; i++) {
		if (!strcmp(parts[i].key, key)) {
			parts[i].read(L, answer);
			return;
		}
	}
	const char *near = strlen(key) <= 64 ? sense_nearest(key, names) : NULL;
	luaL_error(L, "returned an unknown key '%s'%s%s%s", key, near ? ", did you mean '" : "",
		   near ? near : "", near ? "'?" : "");
}

static void finding_body(sense_lua *lua, lua_State *L, void *arg)
{
	struct answer *answer = arg;
	lua_rawgeti(L, LUA_REGISTRYINDEX, lua->refs[SENSE_SLOT_FINDING]);
	lua_rawgeti(L, -1, (int)answer->rule->number + 1);
	lua_call(L, 0, 1);
	if (lua_isnil(L, -1))
		return; /* nothing to add to what the rule says by itself */
	if (!lua_istable(L, -1))
		luaL_error(L, "returned a %s, not a table", luaL_typename(L, -1));
	lua_pushnil(L);
	while (lua_next(L, -2)) {
		read_part(L, answer);
		lua_pop(L, 1);
	}
}

static enum sense_status finding(void *self, const struct sense_rule *rule, const struct sense_event *event,
				 struct sense_arena *arena, struct sense_finding *out, sense_error *err)
{
	sense_lua *lua = self;
	struct sense_finding draft = *out; /* a failure half way must leave *out as it was */
	struct answer answer = {rule, arena, &draft};
	sense_lua_room(lua);
	view_open(lua, event);
	sense_mark_enter(lua->mark, rule->number);
	enum sense_status status = sense_lua_protect(lua, finding_body, &answer, lua->limits.soft_us, err);
	sense_mark_leave(lua->mark);
	view_close(lua);
	if (status)
		return blame(rule, "finding", status, err);
	*out = draft;
	return SENSE_OK;
}

struct sense_script sense_lua_script(sense_lua *lua)
{
	return (struct sense_script){.self = lua, .when = when, .finding = finding};
}
