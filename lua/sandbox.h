/*
 * One Lua state for all policies of a generation: bounded in memory and time, and closed to
 * everything that is not on the allow-list (lua/sense/env.lua).
 *
 * Memory: a capping allocator; over the cap Lua raises its out-of-memory error, which ends in
 * SENSE_E_MEMORY. Time: a timer on the thread's CPU clock ticks while a script runs; past the soft
 * limit it arms a hook that ends the script with SENSE_E_LIMIT. Compiled loops and long C built-ins
 * do not see hooks: for those the supervisor's watchdog ends the worker.
 *
 * A state belongs to the thread that made it, and must be made in the process that uses it: timers
 * do not survive fork. The signal is SENSE_LUA_SIGNAL, with SA_RESTART.
 */
#ifndef SENSE_LUA_SANDBOX_H
#define SENSE_LUA_SANDBOX_H

#include <signal.h>

#include "core/base/mark.h"
#include "core/base/status.h"
#include "core/rules/state.h"
#include "lua/budget.h"

struct lua_State;
typedef struct sense_lua sense_lua;

#define SENSE_LUA_SIGNAL (SIGRTMIN + 1)

struct sense_lua_limits {
	size_t memory;    /* bytes; 0: 64 MiB */
	uint64_t soft_us; /* one `when` or `finding`; 0: 5 ms */
	uint64_t load_us; /* one policy or configuration file; 0: 200 ms */
	unsigned budget; /* percent of the CPU time that one rule may take; 0: any */
	uint64_t budget_window_us; /* ... of this much CPU time */
	union sense_mark *mark; /* told which rule runs; outlives the state; NULL: nobody watches */
};

struct sense_lua_stats {
	size_t held; /* bytes now */
	size_t peak;
	uint64_t allocated;     /* bytes ever handed out */
	uint64_t over_memory;   /* allocations refused */
	uint64_t over_time;     /* scripts ended by the soft limit */
	uint64_t script_errors; /* other failures */
};

sense_lua *sense_lua_new(const struct sense_lua_limits *limits, sense_error *err);
void sense_lua_free(sense_lua *lua);
void sense_lua_stats(const sense_lua *lua, struct sense_lua_stats *out);

/* CPU time that a rule took, by the timer's ticks (lua/budget.h); and how often it was suspended. */
uint64_t sense_lua_rule_cpu_us(const sense_lua *lua, unsigned rule);
uint64_t sense_lua_rule_suspended(const sense_lua *lua, unsigned rule);
/*
 * Between events: suspends rules that took more than the budget, and ends suspensions. Cheap when no
 * window is over. idle: bit per rule that is not to run.
 */
void sense_lua_budget(sense_lua *lua, uint64_t *idle, sense_budget_told *told, void *context);

/*
 * Where rules keep what they count over time; the caller's, which outlives lua. Without it they get a
 * small one of their own when they first ask, which ends with lua.
 */
void sense_lua_remember(sense_lua *lua, struct sense_state *state);

/*
 * Runs one text chunk in a fresh policy environment and gives what it returned, as text (cap bytes).
 * For tests, and for people who try an expression.
 */
enum sense_status sense_lua_eval(sense_lua *lua, const char *name, const char *text, size_t len, char *out,
				 size_t cap, sense_error *err);

#endif
