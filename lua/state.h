/*
 * Private to lua/: the state behind sense_lua, and how to call into it.
 *
 * No lua_* function that can fail is called outside sense_lua_protect or sense_lua_pcall: Lua ends
 * the process when it has nobody to report to. Outside of them only calls that never allocate are
 * used (pushing a number or a copy, rawgeti of a table, settop, toboolean); LUA_MINSTACK slots are
 * always there.
 */
#ifndef SENSE_LUA_STATE_H
#define SENSE_LUA_STATE_H

#include <lauxlib.h>
#include <lua.h>
#include <time.h>

#include "core/rules/event.h"
#include "core/rules/script.h"
#include "lua/budget.h"
#include "lua/sandbox.h"

/* What stays at the bottom of the main stack. */
enum {
	SENSE_SLOT_TRAMPOLINE = 1, /* C function that runs lua->body */
	SENSE_SLOT_HOST,           /* table: what C offers to trusted chunks, and their modules */
	SENSE_SLOT_BUDGET,         /* the error value of the soft limit */
	SENSE_SLOT_WHEN,           /* array: rule number + 1 -> function without arguments */
	SENSE_SLOT_FINDING,
	SENSE_SLOT_FUSED, /* array: place in lua->fuse + 1 -> function without arguments */
	SENSE_SLOT_LAST = SENSE_SLOT_FUSED,
	/*
	 * Empty slots above keep the collector from shrinking the stack: compiled code wants room
	 * for all that it inlined, and falls back to the interpreter, call after call, without it.
	 */
	SENSE_SLOT_TOP = 128
};

/* lua/sense/event.lua declares the members up to `value` to ffi: keep both alike. */
struct sense_view {
	double generation; /* of the event that handles may be used for */
	struct sense_value value;
	const struct sense_event *event;
	int32_t field; /* that value is of; -1: of none */
	char addr[46];
	uint8_t holds[SENSE_SCRIPT_ASK_MAX]; /* what fused rules answered */
};

typedef void sense_lua_body(sense_lua *lua, lua_State *L, void *arg);

struct sense_lua {
	lua_State *L;
	struct sense_lua_limits limits;
	struct sense_lua_stats stats;
	struct sense_view view;
	sense_lua_body *body;
	void *arg;
	int refs[SENSE_SLOT_LAST + 1]; /* registry: a hook does not see the main stack's slots */
	struct sense_fuse *fuse;
	struct sense_state *state, own_state; /* NULL: none was asked for yet */
	void *own_state_memory;
	struct sense_budget budget;
	bool booted; /* trusted chunks have run: the cap holds from then on */
	bool collecting;
	size_t crowded; /* more bytes than this: collect before the next call */
	union sense_mark *mark, own_mark;
	timer_t timer;
	bool has_timer;
	volatile uint64_t budget_ns;
	volatile uint64_t tick_mark;  /* the rule that the latest tick found running */
	volatile uint64_t tick_start; /* thread CPU time when a tick found it first; 0: none did yet */
	volatile sig_atomic_t over;   /* the hook is armed */
};

/* lua_pcall of the function and nargs values on the stack, timed, its failure described in err. */
enum sense_status sense_lua_pcall(sense_lua *lua, int nargs, int nresults, uint64_t budget_us,
				  sense_error *err);
/* Runs body(lua, L, arg) protected and timed; the stack is as before afterwards. */
enum sense_status sense_lua_protect(sense_lua *lua, sense_lua_body *body, void *arg, uint64_t budget_us,
				    sense_error *err);

/*
 * Whether loops may be compiled (they are, at first). Off while a file is loaded: it runs once, and
 * only the interpreter sees the hook that ends a loop without end.
 */
void sense_lua_compiled(sense_lua *lua, bool on);

/*
 * Before a rule is called: collects when memory is nearly used up. The collector alone would wait until
 * garbage is as much as what is in use, and the next rule would fail for what others left.
 */
void sense_lua_sweep(sense_lua *lua);
static inline void sense_lua_room(sense_lua *lua)
{
	if (__builtin_expect(lua->stats.held > lua->crowded, 0))
		sense_lua_sweep(lua);
}

/* Within a body: the sense_lua of L, and pushing host[module][name]. */
sense_lua *sense_lua_of(lua_State *L);
void sense_lua_module(lua_State *L, const char *module, const char *name);

/* Within a body: text compiled, never bytecode. False leaves the message on the stack. */
bool sense_lua_compile(lua_State *L, const char *name, const char *text, size_t len);

/* Fill the host table at index `host`, within a body. */
void sense_bind_helpers(lua_State *L, int host);
void sense_bind_text(lua_State *L, int host);
void sense_bind_pattern(lua_State *L, int host);
void sense_bind_event(sense_lua *lua, lua_State *L, int host);
void sense_bind_state(sense_lua *lua, lua_State *L, int host);

/* Gives back what the rules remembered in memory of their own. */
void sense_lua_forget(sense_lua *lua);

#endif
