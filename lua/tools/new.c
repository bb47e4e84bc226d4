/* `new`: a policy to begin with, and a test of it that passes. */
#include <ctype.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "lua/tools/tools.h"

/* What differs from event to event. */
struct sketch {
	const char *event;
	const char *match; /* members of `match` */
	const char *when;  /* what `when` gives */
	const char *params;
	const char *summary; /* a format and its arguments */
	const char *raise;   /* in the test: what the rule is about ... */
	const char *near;    /* ... and what comes near, but is not */
	const char *by;      /* throttle */
};

#define ON_FLOW(event, method)                                                                     \
	{                                                                                          \
		event, "host = { suffix = \"example.com\" }", "flow.bytes_up >= params.least",     \
		    "least = 1024",                                                                \
		    "(\"%s sent %s to %s\"):format(flow.src_ip, bytes(flow.bytes_up), flow.host)", \
		    "t:flow({ host = \"www.example.com\", bytes_up = \"2KiB\" }):" method "()",    \
		    "t:flow({ host = \"www.example.com\", bytes_up = 10 }):" method "()",          \
		    "\"src_ip\", \"host\""                                                         \
	}

static const struct sketch sketches[] = {
    ON_FLOW("flow.classified", "classified"),
    ON_FLOW("flow.new", "new"),
    ON_FLOW("flow.update", "update"),
    ON_FLOW("flow.end", "finish"),
    {"dns", "dns = { name = { suffix = \"example.com\" } }", "flow.dns.type == params.kind", "kind = 1",
     "(\"%s asked for %s\"):format(flow.src_ip, flow.dns.name)",
     "t:dns { dns = { name = \"www.example.com\" } }",
     "t:dns { dns = { name = \"www.example.com\", type = 28 } }", "\"src_ip\", \"dns.name\""},
    {"http", "http_path = { prefix = \"/v1/\" }", "flow.http_method == params.method", "method = \"POST\"",
     "(\"%s called %s\"):format(flow.src_ip, flow.http_path)",
     "t:http { host = \"www.example.com\", http_method = \"POST\", http_path = \"/v1/chat\" }",
     "t:http { host = \"www.example.com\", http_method = \"GET\", http_path = \"/v1/chat\" }",
     "\"src_ip\", \"host\""},
    {"tls", "host = { suffix = \"example.com\" }", "not params.fine[flow.tls_version]",
     "fine = set { \"TLSv1.3\" }",
     "(\"%s greeted %s with %s\"):format(flow.src_ip, flow.host, flow.tls_version)",
     "t:tls { host = \"www.example.com\", tls_version = \"TLSv1.2\" }",
     "t:tls { host = \"www.example.com\", tls_version = \"TLSv1.3\" }", "\"src_ip\", \"host\""},
    {"process.start", "process = { name = \"ollama\" }", "flow.user ~= params.owner", "owner = \"ml\"",
     "(\"%s started %s\"):format(flow.user or \"somebody\", flow.process.name)",
     "t:process { process = { name = \"ollama\", pid = 100 }, user = \"ada\" }",
     "t:process { process = { name = \"ollama\", pid = 101 }, user = \"ml\" }", "\"process.name\", \"user\""},
    {"process.exit", "process = { name = \"ollama\" }", "flow.process.exit_code ~= params.fine", "fine = 0",
     "(\"%s ended with code %d\"):format(flow.process.name, flow.process.exit_code)",
     "t:event(\"process.exit\", { process = { name = \"ollama\", exit_code = 1 } })",
     "t:event(\"process.exit\", { process = { name = \"ollama\", exit_code = 0 } })",
     "\"process.name\", \"user\""},
    {"listen", "listen = { port = 11434 }", "flow.listen.scope ~= params.fine", "fine = \"loopback\"",
     "(\"port %d is open to %s\"):format(flow.listen.port, flow.listen.scope)",
     "t:listen { listen = { ip = \"10.0.0.5\", port = 11434 } }",
     "t:listen { listen = { ip = \"127.0.0.1\", port = 11434 } }", "\"listen.port\""},
    {"file", "file = { kind = \"model\" }", "flow.file.size >= params.least", "least = 1048576",
     "(\"model of %s: %s\"):format(bytes(flow.file.size), flow.file.path)",
     "t:file { file = { kind = \"model\", path = \"/srv/a.gguf\", size = \"4GiB\" } }",
     "t:file { file = { kind = \"model\", path = \"/srv/b.gguf\", size = 100 } }", "\"file.path\""},
    {"mcp", "mcp = { transport = { \"http\", \"sse\" } }", "not params.fine[flow.mcp.server]",
     "fine = set { \"docs\" }", "(\"%s uses the MCP server %s\"):format(flow.mcp.client, flow.mcp.server)",
     "t:mcp { mcp = { client = \"editor\", server = \"mail\", transport = \"http\" } }",
     "t:mcp { mcp = { client = \"editor\", server = \"docs\", transport = \"http\" } }",
     "\"mcp.server\", \"user\""},
    {"inventory", "inventory = { kind = \"extension\" }", "not params.fine[flow.inventory.name]",
     "fine = set { \"spelling\" }", "(\"extension %s is installed\"):format(flow.inventory.name)",
     "t:inventory { inventory = { kind = \"extension\", name = \"assistant\" } }",
     "t:inventory { inventory = { kind = \"extension\", name = \"spelling\" } }",
     "\"inventory.name\", \"user\""},
};
#define SKETCHES (sizeof sketches / sizeof *sketches)

static const char policy_text[] =
    "-- What this policy is for, and what it does not see.\n"
    "policy {\n"
    "  title = \"%1$s\", version = \"1\",\n"
    "}\n"
    "\n"
    "rule \"my.%1$s\" {\n"
    "  title = \"%1$s\", -- one line: what was seen\n"
    "  severity = \"low\", -- info, low, medium, high, critical\n"
    "  on = \"%2$s\",\n"
    "  -- All of these must hold. They are decided before any Lua runs, so put here what you can.\n"
    "  match = { %3$s },\n"
    "  -- What may differ from place to place; a test can change it with t:params.\n"
    "  params = { %4$s },\n"
    "  -- Asked only when `match` holds. Leave it out when `match` says it all.\n"
    "  when = function(flow, params) return %5$s end,\n"
    "  finding = function(flow)\n"
    "    return { summary = %6$s }\n"
    "  end,\n"
    "  throttle = { by = { %7$s }, every = \"1h\" }, -- one finding a key and hour\n"
    "}\n";

static const char test_text[] =
    "-- Run with: sense-agent test %2$s/%1$s.lua\n"
    "test(\"it is reported, once\", function(t)\n"
    "  %3$s\n"
    "  %3$s\n"
    "  t:expect(\"my.%1$s\", { severity = \"low\" }) -- exactly one finding with these values\n"
    "  t:only() -- and no other finding at all\n"
    "  t:wait \"2h\"\n"
    "  %3$s\n"
    "  t:expect(\"my.%1$s\"):times(2)\n"
    "end)\n"
    "\n"
    "-- A rule is as good as what it leaves alone: test what comes near.\n"
    "test(\"what only comes near is not\", function(t)\n"
    "  %4$s\n"
    "  t:forbid \"my.%1$s\"\n"
    "end)\n";

static int refuse(const char *fmt, const char *what)
{
	fputs("sense-agent: ", stderr);
	fprintf(stderr, fmt, what);
	fputc('\n', stderr);
	return SENSE_EXIT_USAGE;
}

static const struct sketch *sketch_find(const char *event)
{
	const char *names[SKETCHES + 1] = {NULL};
	for (size_t i = 0; i < SKETCHES; i++) {
		names[i] = sketches[i].event;
		if (!strcmp(event, sketches[i].event))
			return &sketches[i];
	}
	const char *near = sense_nearest(event, names);
	fprintf(stderr, "sense-agent: there is no template for the event '%s'%s%s%s (there are:", event,
	        near ? ", did you mean '" : "", near ? near : "", near ? "'?" : "");
	for (size_t i = 0; i < SKETCHES; i++)
		fprintf(stderr, " %s", names[i]);
	fputs(")\n", stderr);
	return NULL;
}

static bool name_good(const char *name)
{
	size_t len = strlen(name);
	for (const char *c = name; *c; c++)
		if (!isalnum((unsigned char)*c) && *c != '_' && *c != '-')
			return false;
	return len > 0 && len <= 80 && *name != '-' && !(len > 5 && !strcmp(name + len - 5, "_test"));
}

/* Writes a file that is not there yet. */
static bool file_write(const char *path, const char *text)
{
	int fd = open(path, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0644);
	if (fd < 0) {
		fprintf(stderr, "sense-agent: cannot write %s: %s\n", path, strerror(errno));
		return false;
	}
	size_t len = strlen(text);
	bool good = write(fd, text, len) == (ssize_t)len;
	if (close(fd) || !good) {
		fprintf(stderr, "sense-agent: cannot write %s: %s\n", path, strerror(errno));
		return false;
	}
	return true;
}

static bool both_write(const char *dir, const char *name, const struct sketch *sketch)
{
	char policy[4096], test[4096], text[8192];
	snprintf(policy, sizeof policy, "%s/%s.lua", dir, name);
	snprintf(test, sizeof test, "%s/%s_test.lua", dir, name);
	/* Looked at first, so that there is no half of a pair. */
	if (!access(policy, F_OK) || !access(test, F_OK)) {
		fprintf(stderr, "sense-agent: %s is there already; it is left as it is\n",
		        access(policy, F_OK) ? test : policy);
		return false;
	}
	snprintf(text, sizeof text, policy_text, name, sketch->event, sketch->match, sketch->params,
	         sketch->when, sketch->summary, sketch->by);
	if (!file_write(policy, text))
		return false;
	snprintf(text, sizeof text, test_text, name, dir, sketch->raise, sketch->near);
	if (!file_write(test, text))
		return false;
	printf("%s\n%s\n\nNext: sense-agent test %s\n", policy, test, policy);
	return true;
}

int sense_tool_new(const struct sense_cli *cli)
{
	const char *name = cli->paths[0], *dir = cli->dir ? cli->dir : ".";
	const struct sketch *sketch = sketch_find(cli->event ? cli->event : "flow.classified");
	if (!sketch)
		return SENSE_EXIT_USAGE;
	if (!name_good(name))
		return refuse(
		    "'%s' is no name for a policy: letters, digits, '_' and '-', at most 80, and not *_test; "
		    "--dir says where it goes",
		    name);
	if (mkdir(dir, 0755) && errno != EEXIST) {
		fprintf(stderr, "sense-agent: cannot make %s: %s\n", dir, strerror(errno));
		return SENSE_EXIT_FAILED;
	}
	return both_write(dir, name, sketch) ? SENSE_EXIT_OK : SENSE_EXIT_FAILED;
}
