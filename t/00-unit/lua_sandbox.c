#include <signal.h>
#include <stdlib.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "lua/sandbox.h"
#include "lua/source.h"
#include "t/tap.h"

static sense_lua *lua;

static enum sense_status eval(const char *text, char *out, struct sense_error *err)
{
	snprintf(out, 256, "(nothing)");
	err->message[0] = '\0';
	return sense_lua_eval(lua, "try.lua", text, strlen(text), out, 256, err);
}

static void gives(const char *text, const char *want)
{
	struct sense_error err;
	char out[256];
	if (eval(text, out, &err))
		fprintf(stderr, "#   %s\n", err.message);
	is_str(out, want, "%s", text);
}

/* Each of these must fail, by an error that says why; none may reach what it is after. */
static const char *const escapes[][2] = {
    {"return os.execute('true')", "'os' is not available"},
    {"return io.open('/etc/passwd')", "'io' is not available"},
    {"return debug.getregistry()", "'debug' is not available"},
    {"return require 'ffi'", "'require' is not available"},
    {"return package.loaded.ffi", "'package' is not available"},
    {"return ffi.C", "'ffi' is not available"},
    {"return jit.off()", "'jit' is not available"},
    {"return load('return 1')", "'load' is not available"},
    {"return loadstring('return 1')", "'loadstring' is not available"},
    {"return loadfile('/etc/passwd')", "'loadfile' is not available"},
    {"return dofile('/etc/passwd')", "'dofile' is not available"},
    {"return string.dump(function() end)", "dump"},
    {"return (''):dump()", "dump"},
    {"return newproxy(true)", "'newproxy' is not available"},
    {"return coroutine.create(print)", "'coroutine' is not available"},
    {"return collectgarbage('count')", "'collectgarbage' is not available"},
    {"return getfenv(1)", "'getfenv' is not available"},
    {"return setfenv(1, {})", "'setfenv' is not available"},
    {"return getmetatable('').__index", "'getmetatable' is not available"},
    {"return setmetatable({}, {})", "'setmetatable' is not available"},
    {"return rawset(string, 'x', 1)", "'rawset' is not available"},
    {"return rawget(string, 'x')", "'rawget' is not available"},
    {"return _G.os", "'_G' is not available"},
    {"string.rep = nil", "string is read-only"},
    {"math.huge = 1", "math is read-only"},
    {"table.insert(string, 1)", "table expected"},
    {"('').x = 1", "attempt to index"},
    {"pairs = nil", "not declared"},
    {"leak = 1", "'leak' is not declared"},
    {"return strng.rep('x', 3)", "did you mean 'string'"},
    {"return 1LL", "not allowed"},
    {"return 0x10ull", "not allowed"},
    {"return 1i", "not allowed"},
    {"return (1 / 1e1i)", "not allowed"},
    {"local function f() return f() + 1 end return f()", "stack overflow"},
    {"return string.rep('x', 1e9)", "at most"},
    {"return ('x'):rep(1e9)", "at most"},
    {"local t = {} for i = 1, 20000 do t[i] = i end table.sort(t)", "at most"},
    {"return (('a'):rep(20000)):find('.-.-.-.-b')", "cannot be searched"},
    {"local at = (('a'):rep(8000)):find('.-b') return at", "try.lua:1: the pattern takes too many steps"},
    {"return (('a'):rep(8000)):gsub('a*a*b', '')", "too many steps"},
    {"for w in (('a'):rep(8000)):gmatch('a*a*b') do end", "too many steps"},
    {"return ('x'):rep('1e9')", "at most"},
    {"table.insert({}, -1e9, 1)", "not within the list"},
    {"return ('%p'):format('x')", "no %p"},
    {"return ('%%%5p'):format('x')", "no %p"},
    {"local a = ('a'):rep(2^20) return a:find(('a'):rep(2^19) .. 'b', 1, true)", "too long"},
    {"return ('a'):find(('a?'):rep(100))", "pattern has at most"},
    {"return ('a'):find(('('):rep(100))", "too many captures"},
    {"return unpack({}, 1, 1e8)", "too many results"},
    {"set { 1 }.x = 2", "a set is read-only"},
    {"return cidr { 'nonsense' }", "entry 1 is not a network"},
    {"local function f(s) return (s:gsub('.', f)) end return f('x')", "stack overflow"},
    {"local function f(a, b) table.sort({ 2, 1 }, f) return a < b end table.sort({ 2, 1 }, f)", "overflow"},
    {"error({})", "raised a table"},
    {"return error()", "raised a nil"},
};

static void closed(void)
{
	char out[256];
	struct sense_error err;
	for (size_t i = 0; i < sizeof escapes / sizeof *escapes; i++) {
		enum sense_status status = eval(escapes[i][0], out, &err);
		if (!ok(status && strstr(err.message, escapes[i][1]), "refused: %s", escapes[i][0]))
			fprintf(stderr, "#   %d %s / %s\n", status, err.message, out);
	}
	ok(sense_lua_eval(lua, "b.lua", "\x1bLJ\x02\x00", 5, out, sizeof out, &err) == SENSE_E_SCRIPT &&
	       strstr(err.message, "wrong mode"),
	   "no bytecode: %s", err.message);
	eval("return os.time()", out, &err);
	ok(!strncmp(err.message, "try.lua:1: ", 11), "an error names file and line: %s", err.message);
}

static void usable(void)
{
	gives("return ('%s-%d'):format('a', 3)", "a-3");
	gives("return ('hello'):gsub('l', function(c) return c:upper() end)", "heLLo");
	gives("return ('abc'):gsub('', function() return '-' end)", "-a-b-c-");
	gives("return ('abc'):gsub('^%w', function(c) return '<' .. c .. '>' end)", "<a>bc");
	gives("return ('k=v, x=y'):gsub('(%w+)=(%w+)', function(k, v) return v .. '=' .. k end)", "v=k, y=x");
	gives("return ('abc'):gsub('%w', function(c) return c == 'b' and 'X' or nil end, 2)", "aXc");
	gives("return ('THE (quick) fox'):gsub('%f[%a]%a+', function(w) return w:lower() end)",
	      "the (quick) fox");
	gives("return (select(2, ('aaa'):gsub('a', function() end)))", "3");
	gives("return ('a$b'):gsub('%$', set { 'x' })", "a$b");
	gives("local n = 0 for k in pairs(set { 'a', 'b', 'a' }) do n = n + 1 end return n", "2");
	gives("return #set { 'a', 'b', 'a' }", "2");
	gives("return set { 'a' }.a", "true");
	gives("return set { 'a' }.b", "nil");
	gives("local n = 0 for i, v in ipairs { 5, 6 } do n = n + i * v end return n", "17");
	gives("return bytes(1258291)", "1.2 MiB");
	gives("return duration(90)", "1m 30s");
	gives("return domain('a.b.example.com')", "example.com");
	gives("return domain('www.example.co.uk')", "example.co.uk");
	gives("return domain('10.1.2.3')", "10.1.2.3");
	gives("return domain('localhost')", "localhost");
	gives("return under('api.openai.com', 'openai.com')", "true");
	gives("return under('openai.com', 'openai.com')", "true");
	gives("return under('xopenai.com', 'openai.com')", "false");
	gives("return under(nil, 'openai.com')", "false");
	gives("local inside = cidr { '10.0.0.0/8', 'fd00::/8' } return inside('10.9.8.7')", "true");
	gives("local inside = cidr { '10.0.0.0/9', 'fd00::/8' } return inside('10.200.8.7')", "false");
	gives("return cidr('fd00::/8')('fd12::1')", "true");
	gives("return cidr('0.0.0.0/0')('fd12::1')", "false");
	gives("return tostring((pcall(error, 'x')))", "false");
	gives("return select(2, xpcall(function() error('x', 0) end, function(m) return m .. '!' end))",
	      "x!");
	gives("return select(2, pcall(function() return 7 end))", "7");
	gives("return bit.band(0xff, 0x0f)", "15");
	gives("return lower('ABC')", "abc");
	gives("return tostring({})", "table");
	gives("return tostring(tostring)", "function");
	gives("return tostring(set { 1 })", "userdata");
	gives("return ('%s|%s|%s|%5s|%q|%%p'):format({}, nil, true, 1 == nil, 'x')", "table|nil|true|false|\"x\"|%p");
	gives("return ('a-b'):find('-', 1, true)", "2");
	gives("return ('a.b'):gsub('%.', '%%')", "a%b");
	gives("return ('ab'):gsub('(a)(b)', '%2%1%0')", "baab");
	gives("return ('abc'):gsub('%w', { a = 'x', b = false })", "xbc");
	gives("local t = { 1, 3 } table.insert(t, 2, 2) table.insert(t, 4) return table.concat(t)", "1234");
	gives("local t = { 3, 1, 2 } table.sort(t) return table.concat(t)", "123");
	gives("local n = '' for k, v in ('a=1,b=2'):gmatch('(%w)=(%w)') do n = n .. v .. k end return n", "1a2b");
}

static void memory(void)
{
	char out[256];
	struct sense_error err;
	struct sense_lua_stats before, after;
	struct sense_lua_limits limits = {.memory = (size_t)16 << 20, .soft_us = 5000000};
	sense_lua *usual = lua;
	lua = sense_lua_new(&limits, &err); /* slow machines reach the memory limit, too */
	sense_lua_stats(lua, &before);
	is_num(eval("local t = {} for i = 1, 1e7 do t[i] = { i } end", out, &err), SENSE_E_MEMORY, "tables");
	ok(strstr(err.message, "16384 KiB"), "says the limit: %s", err.message);
	is_num(eval("local s = 'x' while true do s = s .. s end", out, &err), SENSE_E_MEMORY,
	       "doubling text");
	is_num(eval("local t = {} for i = 1, 1e4 do t[i] = ('x'):rep(1e5) .. i end", out, &err),
	       SENSE_E_MEMORY, "texts");
	is_num(eval("local t = {} for i = 1, 1000 do t[i] = ('x'):rep(1e5) end return #table.concat(t)", out,
		    &err),
	       SENSE_E_MEMORY, "concat");
	sense_lua_stats(lua, &after);
	ok(after.peak <= (size_t)16 << 20, "never above the cap: %zu", after.peak);
	ok(after.over_memory > before.over_memory, "counted");
	ok(after.held < before.held + 8000000, "given back: %zu to %zu", before.held, after.held);
	gives("return 1 + 1", "2");
	sense_lua_free(lua);
	lua = usual;
}

/*
 * Loops that stay in the interpreter (making a closure is not compiled): the soft limit ends them.
 * Those that are compiled see no hook, and are the watchdog's.
 */
static void soft_limit(void)
{
	static const char *const loops[] = {
	    "while true do local f = function() end end",
	    "while true do pcall(function() while true do local f = function() end end end) end",
	    "while true do xpcall(function() while 1 do local f = function() end end end, error) end",
	    "while true do xpcall(function() error('x') end, function() local f = function() end end) end",
	    "local function r() local f = function() end return r() end r()",
	    "while true do for k in pairs { 1, 2, 3 } do local f = function() end end end",
	    "repeat local good = pcall(error, 'again') local f = function() end until false",
	    "while true do local f = function() end ; ('x'):gsub('x', function() f() end) end",
	};
	char out[256];
	struct sense_error err;
	struct sense_lua_stats before, after;
	sense_lua_stats(lua, &before);
	for (size_t i = 0; i < sizeof loops / sizeof *loops; i++) {
		is_num(eval(loops[i], out, &err), SENSE_E_LIMIT, "ended: %s", loops[i]);
		gives("return 1", "1");
	}
	sense_lua_stats(lua, &after);
	is_num(after.over_time - before.over_time, sizeof loops / sizeof *loops, "counted");
	ok(strstr(err.message, "5 ms"), "says the limit: %s", err.message);
}

/* A compiled endless loop goes on until somebody kills the process: that is why there is a watchdog. */
static void compiled_loop(void)
{
	pid_t child = fork();
	if (!child) {
		char out[256];
		struct sense_error err;
		sense_lua *own = sense_lua_new(NULL, &err);
		alarm(1);
		sense_lua_eval(own, "l.lua", "while true do end", 17, out, sizeof out, &err);
		_exit(0);
	}
	int status = 0;
	waitpid(child, &status, 0);
	ok((WIFSIGNALED(status) && WTERMSIG(status) == SIGALRM) ||
	       (WIFEXITED(status) && !WEXITSTATUS(status)),
	   "a compiled loop ends with the process, not in a crash");
}

static void many_states(void)
{
	struct sense_error err;
	struct sense_lua_limits small = {.memory = 100000};
	ok(!sense_lua_new(&small, &err), "a cap too small to start: %s", err.message);
	for (size_t memory = 120000; memory < 2000000; memory += 9973) {
		small.memory = memory;
		sense_lua_free(sense_lua_new(&small, &err));
	}
	sense_lua *other = sense_lua_new(NULL, &err);
	char out[256];
	is_num(sense_lua_eval(other, "o.lua", "return 5", 8, out, sizeof out, &err), SENSE_OK,
	       "two states at a time");
	sense_lua_free(other);
	gives("return 6", "6");
}

static void source(void)
{
	static const struct {
		const char *text;
		bool plain;
	} cases[] = {
	    {"local x = 1LL", false},
	    {"x=0xffULL", false},
	    {"return .5i", false},
	    {"a=1e+3i", false},
	    {"local x1LL = 1", true},
	    {"s = '1LL'", true},
	    {"-- 1LL\nreturn 1", true},
	    {"--[[ 1LL\n ]] return 1", true},
	    {"--[==[ ]] 1LL ]==] y = 2", true},
	    {"s = [[ 1LL ]]", true},
	    {"s = [[ 1 ]] .. 1LL", false},
	    {"s = '\\'' .. 1LL", false},
	    {"a[1] = 2", true},
	    {"a[b[1LL]] = 2", false},
	    {"x = 'a\\\n1LL'", true},
	    {"return 1 -- x\n+ 2LL", false},
	    {"x = 0x1p4", true},
	    {"x = 1..2", true},
	    {"return 10,20", true},
	    {"x=5 if y then z=1i end", false},
	    {"--[ 1\nreturn 1LL", false},
	    {"[=", true},
	    {"'", true},
	    {"'\\", true},
	    {"--[[", true},
	};
	int line = 0;
	for (size_t i = 0; i < sizeof cases / sizeof *cases; i++)
		ok(!sense_source_problem(cases[i].text, strlen(cases[i].text), &line) == cases[i].plain,
		   "cdata literal or not: text %zu", i);
	sense_source_problem("a\n--[[\n]]\n'\\\n'\n2i", 18, &line);
	is_num(line, 6, "on which line");
}

int main(void)
{
	struct sense_error err;
	struct sense_lua_limits limits = {.memory = (size_t)16 << 20};
	lua = sense_lua_new(&limits, &err);
	if (!ok(lua != NULL, "a state of 16 MiB"))
		return fprintf(stderr, "# %s\n", err.message), tap_done();
	closed();
	usable();
	memory();
	soft_limit();
	compiled_loop();
	many_states();
	source();
	sense_lua_free(lua);
	return tap_done();
}
