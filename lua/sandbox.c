#include "lua/sandbox.h"

#include <luajit.h>
#include <lualib.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "core/platform/platform.h"
#include "lua/fuse.h"
#include "lua/source.h"
#include "lua/state.h"

#define SWEEPS_MAX 8
/*
 * What may be held until trusted chunks have run (they take about 1 MiB). LuaJIT crashes at times when memory
 * fails it while it compiles or reads ffi declarations, so it is not made to: too small a cap is told afterwards.
 */
#define BOOT_MEMORY ((size_t)16 << 20)
#define TICK_NS 1000000 /* asked for; the kernel's own tick (HZ) may be coarser */

/* Trusted chunks, embedded by the Makefile: those that policies need, and those of single commands. */
#define CHUNKS(X)                                                                                  \
	X(functions) X(check) X(env) X(helpers) X(event) X(state) X(api) X(formula) X(match) X(policy)
#define LATE_CHUNKS(X) X(params) X(conf) X(test) X(describe)
#define CHUNK_DECLARE(name) extern const char sense_lua_##name##_begin[], sense_lua_##name##_end[];
CHUNKS(CHUNK_DECLARE)
LATE_CHUNKS(CHUNK_DECLARE)

struct chunk {
	const char *name, *begin, *end;
};
#define CHUNK_ENTRY(name) {#name, sense_lua_##name##_begin, sense_lua_##name##_end},
static const struct chunk chunks[] = {CHUNKS(CHUNK_ENTRY)};
static const struct chunk late_chunks[] = {LATE_CHUNKS(CHUNK_ENTRY)};

/* ---- memory ---------------------------------------------------------------------------------- */

/* GC64 keeps 17 tag bits in a pointer: an address above 2^47 would be taken for something else. */
static bool too_high(const void *p)
{
	return (uintptr_t)p >> 47 != 0;
}

static void *capped(void *self, void *ptr, size_t old, size_t size)
{
	sense_lua *lua = self;
	if (!size) {
		free(ptr);
		lua->stats.held -= old;
		return NULL;
	}
	/* The collector allocates, too, to shrink its table of texts: at the cap it could free nothing. */
	size_t most = lua->limits.memory + (lua->collecting ? lua->limits.memory / 4 : 0);
	if (!lua->booted)
		most = BOOT_MEMORY;
	if (size > old && (lua->stats.held > most || size - old > most - lua->stats.held)) {
		lua->stats.over_memory++;
		return NULL;
	}
	/* Moved by hand: a realloc that lands too high could not be taken back. */
	void *grown = malloc(size);
	if (!grown || too_high(grown)) {
		free(grown);
		return size <= old ? ptr : NULL;
	}
	if (ptr)
		memcpy(grown, ptr, size < old ? size : old);
	free(ptr);
	lua->stats.allocated += size > old ? size - old : 0;
	lua->stats.held = lua->stats.held - old + size;
	if (lua->stats.held > lua->stats.peak)
		lua->stats.peak = lua->stats.held;
	return grown;
}

sense_lua *sense_lua_of(lua_State *L)
{
	void *self;
	lua_getallocf(L, &self);
	return self;
}

/* ---- time ------------------------------------------------------------------------------------ */

/* Whose script this thread runs now: what the signal handler may touch. */
static __thread sense_lua *volatile running;

static uint64_t thread_ns(void)
{
	struct timespec ts;
	clock_gettime(CLOCK_THREAD_CPUTIME_ID, &ts);
	return (uint64_t)ts.tv_sec * 1000000000u + (uint64_t)ts.tv_nsec;
}

static void over_budget(lua_State *L, lua_Debug *info)
{
	(void)info;
	lua_rawgeti(L, LUA_REGISTRYINDEX, sense_lua_of(L)->refs[SENSE_SLOT_BUDGET]);
	lua_error(L);
}

/* The hook stays armed until the run ends, so a script that catches the error gets it again. */
static void tick(int sig, siginfo_t *info, void *context)
{
	(void)sig;
	(void)context;
	sense_lua *lua = info->si_value.sival_ptr;
	if (!lua)
		return;
	uint64_t mark = sense_mark_read(lua->mark);
	uint64_t us = (1 + (uint64_t)info->si_overrun) * (TICK_NS / 1000);
	sense_budget_tick(&lua->budget, lua == running ? sense_mark_rule(mark) : 0, us);
	if (lua != running || lua->over)
		return;
	uint64_t now = thread_ns();
	if (!lua->tick_start || mark != lua->tick_mark) {
		lua->tick_mark = mark;
		lua->tick_start = now;
		return;
	}
	if (now - lua->tick_start < lua->budget_ns)
		return;
	lua->over = 1;
	lua_sethook(lua->L, over_budget, LUA_MASKCALL | LUA_MASKRET | LUA_MASKCOUNT, 1);
}

/* Once in a process, and inherited by its workers: after lock-down no handler can be set any more. */
static bool handler_set(void)
{
	static bool set;
	struct sigaction action = {.sa_sigaction = tick, .sa_flags = SA_SIGINFO | SA_RESTART};
	set = set || !sigaction(SENSE_LUA_SIGNAL, &action, NULL);
	return set;
}

static enum sense_status timer_begin(sense_lua *lua, sense_error *err)
{
	struct itimerspec every = {.it_interval.tv_nsec = TICK_NS, .it_value.tv_nsec = TICK_NS};
	if (!handler_set() || !sense_platform_thread_timer(SENSE_LUA_SIGNAL, lua, &lua->timer))
		return sense_fail_errno(err, "lua", "cannot make the timer that limits rules");
	lua->has_timer = true;
	if (timer_settime(lua->timer, 0, &every, NULL))
		return sense_fail_errno(err, "lua", "cannot start the timer that limits rules");
	return SENSE_OK;
}

static void run_begin(sense_lua *lua, uint64_t budget_us)
{
	lua->tick_start = 0;
	lua->budget_ns = budget_us * 1000;
	running = lua;
}

static void run_end(sense_lua *lua)
{
	running = NULL;
	if (!lua->over)
		return;
	lua_sethook(lua->L, NULL, 0, 0);
	lua->over = 0;
}

void sense_lua_compiled(sense_lua *lua, bool on)
{
	luaJIT_setmode(lua->L, 0, LUAJIT_MODE_ENGINE | (on ? LUAJIT_MODE_ON : LUAJIT_MODE_OFF));
}

/* ---- protected calls ------------------------------------------------------------------------- */

/* A script's message may not look like several, nor move a terminal's cursor. */
static enum sense_status one_line(enum sense_status status, sense_error *err)
{
	for (char *c = err ? err->message : NULL; c && *c; c++)
		if ((unsigned char)*c < ' ' || *c == 0x7f)
			*c = *c == '\n' || *c == '\t' ? ' ' : '?';
	return status;
}

static enum sense_status describe(sense_lua *lua, int result, uint64_t budget_us, sense_error *err)
{
	lua_State *L = lua->L;
	if (result == LUA_ERRMEM)
		return sense_fail(err, SENSE_E_MEMORY, "lua", "more memory than its limit of %zu KiB",
				  lua->limits.memory / 1024);
	if (lua_rawequal(L, -1, SENSE_SLOT_BUDGET)) {
		lua->stats.over_time++;
		return sense_fail(err, SENSE_E_LIMIT, "lua", "ran longer than its limit of %g ms",
				  (double)budget_us / 1000);
	}
	lua->stats.script_errors++;
	if (lua_type(L, -1) == LUA_TSTRING)
		return one_line(sense_fail(err, SENSE_E_SCRIPT, "lua", "%s", lua_tostring(L, -1)), err);
	return sense_fail(err, SENSE_E_SCRIPT, "lua", "raised a %s as its error",
			  lua_typename(L, lua_type(L, -1)));
}

static void collect(sense_lua *lua, lua_State *L, void *arg)
{
	(void)arg;
	lua->collecting = true;
	lua_gc(L, LUA_GCCOLLECT, 0);
	lua->collecting = false;
}

enum sense_status sense_lua_pcall(sense_lua *lua, int nargs, int nresults, uint64_t budget_us,
				  sense_error *err)
{
	run_begin(lua, budget_us);
	int result = lua_pcall(lua->L, nargs, nresults, 0);
	run_end(lua);
	if (!result)
		return SENSE_OK;
	enum sense_status status = describe(lua, result, budget_us, err);
	lua_settop(lua->L, SENSE_SLOT_TOP);
	/*
	 * What it leaves is collected now: LuaJIT does not before it gives up for want of memory, and
	 * of one that was ended in time the scripts that come next would pay for the garbage.
	 */
	if ((result == LUA_ERRMEM || status == SENSE_E_LIMIT) && lua->body != collect)
		sense_lua_sweep(lua);
	return status;
}

static int trampoline(lua_State *L)
{
	sense_lua *lua = sense_lua_of(L);
	lua->body(lua, L, lua->arg);
	return 0;
}

enum sense_status sense_lua_protect(sense_lua *lua, sense_lua_body *body, void *arg, uint64_t budget_us,
				    sense_error *err)
{
	lua->body = body;
	lua->arg = arg;
	lua_pushvalue(lua->L, SENSE_SLOT_TRAMPOLINE);
	enum sense_status status = sense_lua_pcall(lua, 0, 0, budget_us, err);
	lua->body = NULL;
	return status;
}

void sense_lua_sweep(sense_lua *lua)
{
	size_t most = lua->limits.memory / 4 * 3;
	/* Read-only views within views go one level at a time: the table behind them is no ephemeron. */
	for (unsigned i = 0; i < SWEEPS_MAX && (!i || lua->stats.held > most); i++)
		sense_lua_protect(lua, collect, NULL, UINT64_C(1000000), NULL);
	lua->collecting = false; /* a failure left it so */
	/* What is left is in use: the next sweep is due when half of what is free is gone. */
	size_t left = lua->limits.memory > lua->stats.held ? lua->limits.memory - lua->stats.held : 0;
	size_t half = lua->stats.held + left / 2;
	lua->crowded = half > most ? half : most;
}

/* Trusted chunks see the stock globals; policies get an environment made by env.lua instead. */
static void run_chunk(lua_State *L, int host, const struct chunk *chunk)
{
	lua_pushfstring(L, "=sense.%s", chunk->name);
	if (luaL_loadbuffer(L, chunk->begin, (size_t)(chunk->end - chunk->begin), lua_tostring(L, -1)))
		lua_error(L);
	lua_pushvalue(L, host);
	lua_call(L, 1, 1);
	lua_setfield(L, host, chunk->name);
	lua_pop(L, 1);
}

/* Pushes the module, which may have to be run first. */
static void push_module(lua_State *L, int host, const char *module)
{
	lua_getfield(L, host, module);
	for (size_t i = 0; lua_isnil(L, -1) && i < sizeof late_chunks / sizeof *late_chunks; i++) {
		if (strcmp(late_chunks[i].name, module))
			continue;
		run_chunk(L, host, &late_chunks[i]);
		lua_pop(L, 1);
		lua_getfield(L, host, module);
	}
}

void sense_lua_module(lua_State *L, const char *module, const char *name)
{
	lua_getfield(L, LUA_REGISTRYINDEX, "sense.host");
	push_module(L, lua_gettop(L), module);
	lua_getfield(L, -1, name);
	lua_replace(L, -3);
	lua_pop(L, 1);
}

bool sense_lua_compile(lua_State *L, const char *name, const char *text, size_t len)
{
	int line;
	const char *problem = sense_source_problem(text, len, &line);
	if (problem) {
		lua_pushfstring(L, "%s:%d: %s", name, line, problem);
		return false;
	}
	lua_pushfstring(L, "@%s", name);
	int result = luaL_loadbufferx(L, text, len, lua_tostring(L, -1), "t");
	lua_remove(L, -2);
	if (result == LUA_ERRMEM)
		luaL_error(L, "not enough memory");
	return result == 0;
}

/* ---- start and end --------------------------------------------------------------------------- */

static void open_libraries(lua_State *L)
{
	static const luaL_Reg libraries[] = {
	    {"", luaopen_base},
	    {LUA_TABLIBNAME, luaopen_table},
	    {LUA_STRLIBNAME, luaopen_string},
	    {LUA_MATHLIBNAME, luaopen_math},
	    {LUA_BITLIBNAME, luaopen_bit},
	    {LUA_JITLIBNAME, luaopen_jit},
	    {NULL, NULL},
	};
	for (const luaL_Reg *lib = libraries; lib->func; lib++) {
		lua_pushcfunction(L, lib->func);
		lua_pushstring(L, lib->name);
		lua_call(L, 1, 0);
	}
}

/* Of the debug library trusted chunks get one function; nothing else of it stays. */
static void offer_getinfo(lua_State *L)
{
	lua_pushcfunction(L, luaopen_debug);
	lua_call(L, 0, 1);
	lua_getfield(L, -1, "getinfo");
	lua_setfield(L, SENSE_SLOT_HOST, "getinfo");
	lua_pop(L, 1);
	lua_pushnil(L);
	lua_setglobal(L, LUA_DBLIBNAME);
	lua_getfield(L, LUA_REGISTRYINDEX, "_LOADED");
	lua_pushnil(L);
	lua_setfield(L, -2, LUA_DBLIBNAME);
	lua_pop(L, 1);
}

/*
 * lua_cpcall drops results and the main stack is not its own, so the slots go through the registry.
 */
static int boot(lua_State *L)
{
	sense_lua *lua = sense_lua_of(L);
	luaL_checkstack(L, 4 * SENSE_SLOT_TOP, "start");
	open_libraries(L);
	lua_settop(L, 0);
	lua_pushcfunction(L, trampoline);
	for (int slot = SENSE_SLOT_HOST; slot <= SENSE_SLOT_LAST; slot++)
		lua_newtable(L);
	lua_pushvalue(L, SENSE_SLOT_HOST);
	lua_setfield(L, LUA_REGISTRYINDEX, "sense.host");
	lua_pushvalue(L, SENSE_SLOT_BUDGET);
	lua_setfield(L, SENSE_SLOT_HOST, "budget");
	lua_pushcfunction(L, luaopen_ffi);
	lua_call(L, 0, 1);
	lua_setfield(L, SENSE_SLOT_HOST, "ffi");
	offer_getinfo(L);
	sense_bind_helpers(L, SENSE_SLOT_HOST);
	sense_bind_pattern(L, SENSE_SLOT_HOST);
	sense_bind_event(lua, L, SENSE_SLOT_HOST);
	sense_bind_state(lua, L, SENSE_SLOT_HOST);
	for (size_t i = 0; i < sizeof chunks / sizeof *chunks; i++)
		run_chunk(L, SENSE_SLOT_HOST, &chunks[i]);
	lua_settop(L, SENSE_SLOT_LAST);
	for (int slot = SENSE_SLOT_LAST; slot > 0; slot--)
		lua->refs[slot] = luaL_ref(L, LUA_REGISTRYINDEX);
	return 0;
}

static enum sense_status start(sense_lua *lua, sense_error *err)
{
	lua->L = lua_newstate(capped, lua);
	if (!lua->L)
		return sense_fail(err, SENSE_E_MEMORY, "lua", "cannot make a Lua state in %zu KiB",
				  lua->limits.memory / 1024);
	int result = lua_cpcall(lua->L, boot, NULL);
	lua->booted = true;
	if (result == LUA_ERRMEM || (!result && lua->stats.held > lua->limits.memory))
		return sense_fail(err, SENSE_E_MEMORY, "lua", "cannot start Lua in %zu KiB",
				  lua->limits.memory / 1024);
	if (result)
		return sense_fail(err, SENSE_E_INTERNAL, "lua", "cannot start Lua: %s",
				  lua_type(lua->L, -1) == LUA_TSTRING ? lua_tostring(lua->L, -1) : "?");
	for (int slot = 1; slot <= SENSE_SLOT_LAST; slot++)
		lua_rawgeti(lua->L, LUA_REGISTRYINDEX, lua->refs[slot]);
	lua_settop(lua->L, SENSE_SLOT_TOP); /* boot made room for it */
	return timer_begin(lua, err);
}

sense_lua *sense_lua_new(const struct sense_lua_limits *limits, sense_error *err)
{
	sense_lua *lua = calloc(1, sizeof *lua);
	if (!lua) {
		sense_fail(err, SENSE_E_MEMORY, "lua", "no memory for a Lua state");
		return NULL;
	}
	if (limits)
		lua->limits = *limits;
	lua->mark = lua->limits.mark ? lua->limits.mark : &lua->own_mark;
	if (!lua->limits.memory)
		lua->limits.memory = (size_t)64 << 20;
	if (!lua->limits.soft_us)
		lua->limits.soft_us = 5000;
	if (!lua->limits.load_us)
		lua->limits.load_us = 200000;
	lua->crowded = lua->limits.memory / 4 * 3;
	lua->budget.percent = lua->limits.budget;
	lua->budget.window_us = lua->limits.budget_window_us;
	lua->fuse = sense_fuse_new();
	if (!lua->fuse) {
		sense_fail(err, SENSE_E_MEMORY, "lua", "no memory for a Lua state");
		sense_lua_free(lua);
		return NULL;
	}
	if (start(lua, err)) {
		sense_lua_free(lua);
		return NULL;
	}
	return lua;
}

void sense_lua_free(sense_lua *lua)
{
	if (!lua)
		return;
	if (lua->has_timer)
		timer_delete(lua->timer);
	if (lua->L)
		lua_close(lua->L);
	sense_fuse_free(lua->fuse);
	sense_lua_forget(lua);
	sense_budget_fini(&lua->budget);
	free(lua);
}

void sense_lua_stats(const sense_lua *lua, struct sense_lua_stats *out)
{
	*out = lua->stats;
}

uint64_t sense_lua_rule_cpu_us(const sense_lua *lua, unsigned rule)
{
	return rule < lua->budget.count ? lua->budget.rules[rule].cpu_us : 0;
}

uint64_t sense_lua_rule_suspended(const sense_lua *lua, unsigned rule)
{
	return rule < lua->budget.count ? lua->budget.rules[rule].times : 0;
}

void sense_lua_budget(sense_lua *lua, uint64_t *idle, sense_budget_told *told, void *context)
{
	if (sense_budget_due(&lua->budget))
		sense_budget_turn(&lua->budget, idle, told, context);
}

/* ---- trying a chunk -------------------------------------------------------------------------- */

struct eval {
	const char *name, *text;
	size_t len;
	char *out;
	size_t cap;
};

static void eval_body(sense_lua *lua, lua_State *L, void *arg)
{
	const struct eval *eval = arg;
	(void)lua;
	if (!sense_lua_compile(L, eval->name, eval->text, eval->len))
		lua_error(L);
	sense_lua_module(L, "env", "enclose");
	lua_insert(L, -2);
	lua_call(L, 1, 1);
	lua_call(L, 0, 1);
	const char *text = lua_isboolean(L, -1) ? (lua_toboolean(L, -1) ? "true" : "false")
			 : lua_isstring(L, -1)  ? lua_tostring(L, -1)
						: luaL_typename(L, -1);
	snprintf(eval->out, eval->cap, "%s", text);
}

enum sense_status sense_lua_eval(sense_lua *lua, const char *name, const char *text, size_t len, char *out,
				 size_t cap, sense_error *err)
{
	struct eval eval = {name, text, len, out, cap};
	return sense_lua_protect(lua, eval_body, &eval, lua->limits.soft_us, err);
}
