/*
 * The inventory: what becomes one row, what the screen shows and in which order, hostile texts, bounds.
 * `inventory screen WIDTH` and `inventory json` print the sample, for other tests.
 */
#include "core/inventory/inventory.h"

#include <stdlib.h>

#include "core/cli/scan.h"
#include "core/show/text.h"
#include "t/00-unit/inventory_sample.h"
#include "t/tap.h"

static struct sense_buf out;
static sense_inventory *inventory;
static struct sense_inventory_totals totals;

static void fresh(void)
{
	sense_inventory_free(inventory);
	inventory = sense_inventory_new();
	totals = sample_totals();
}

static const char *screen(unsigned width, bool color)
{
	struct sense_table_style style = {.width = width, .color = color};
	sense_buf_clear(&out);
	sense_inventory_print(inventory, &style, &totals, &out);
	return sense_buf_str(&out);
}

static const char *json(void)
{
	sense_buf_clear(&out);
	sense_inventory_json(inventory, &totals, &out);
	return sense_buf_str(&out);
}

/* Where a text begins; 999999 when it is not there. */
static long at(const char *text, const char *what)
{
	const char *found = strstr(text, what);
	return found ? found - text : 999999;
}

static unsigned widest(const char *text)
{
	char *copy = strdup(text), *rest = copy, *line;
	unsigned most = 0;
	while ((line = strsep(&rest, "\n")))
		most = sense_text_width(line) > most ? sense_text_width(line) : most;
	free(copy);
	return most;
}

static void test_empty(void)
{
	fresh();
	is_str(screen(80, false),
	       "ws-0412, 2026-11-26 11:20:05 UTC: 0 processes\n"
	       "No findings\n"
	       "\n"
	       "No AI tool, service, MCP server, model, extension or package was found.\n",
	       "that nothing was found is said in a sentence");
	PROCESS("1", "systemd", "root");
	LISTENS("611", "sshd", "root", "0.0.0.0", "22", "any");
	ok(strstr(screen(80, false), "1 process\n"), "programs that are not AI are counted");
	ok(strstr(screen(80, false), "No AI tool"), "and no more than that");
	ok(strstr(json(), "\"process\":\"sshd\",\"port\":22"), "in JSON every listener is listed");
	totals = (struct sense_inventory_totals){0};
	ok(strstr(screen(80, false), "this host, 1970-01-01 00:00:00 UTC"),
	   "a host without a name has a screen");
	sample_event(inventory, "gap", "gap.what", "processes", "gap.why", "Operation not permitted", NULL);
	ok(at(screen(80, false), "No AI tool") < at(screen(80, false), "\nNOT SEEN (1)"),
	   "what could not be seen is said all the same");
}

/* All kinds of sections, one line each. */
static void small(void)
{
	fresh();
	PROCESS("10", "ollama", "ollama", "tool", "ollama", "process.parent", "systemd");
	LISTENS("10", "ollama", "ollama", "0.0.0.0", "11434", "any", "tool", "ollama", "listen.speaks",
	        "Ollama");
	MCP("cursor", "slack", "alice", "stdio", "mcp.package",
	    "@zencoderai/slack-mcp-server-with-a-long-name", "mcp.pinned", "false", "mcp.secrets",
	    "SLACK_BOT_TOKEN, SLACK_TEAM_ID");
	MODEL("1117320736", "alice", "/home/alice/.lmstudio/models/lmstudio-community/Qwen/Q4_K_M.gguf");
	PART("extension", "vscode", "alice", "Continue", "1.2.10");
	FILE_OF("instructions", "alice", "/home/alice/src/CLAUDE.md");
	PART("skill", "claude-code", "alice", "pdf", "1.0");
	sample_event(inventory, "inventory", "inventory.kind", "gpu", "inventory.name", "RTX A4000",
	             "process.name", "ollama", NULL);
	sample_event(inventory, "gap", "gap.what", "files", "gap.where", "/root", "gap.why",
	             "Permission denied", "gap.count", "3", NULL);
	sample_finding(inventory, "medium", "ai.mcp.unpinned",
	               "cursor fetches @zencoderai/slack-mcp-server-with-a-long-name anew each time");
}

static void test_narrow(void)
{
	small();
	is_str(screen(80, false),
	       "ws-0412, 2026-11-26 11:20:05 UTC: 1 process, AI of 2 users\n"
	       "1 finding: 1 medium\n"
	       "Not all could be seen: files\n"
	       "\n"
	       "RISKS (1)  WHAT WAS FOUND\n"
	       "medium     cursor fetches @zencoderai/slack-mcp-server-with-a-long-name anew ea…\n"
	       "\n"
	       "AI TOOLS (1)  CLASS      USER    PIDS  HOW IT RUNS\n"
	       "Ollama        local-llm  ollama     1  listens on *:11434\n"
	       "\n"
	       "MCP SERVERS (1)  CLIENT  USER   RUNS                     NOTES\n"
	       "slack            cursor  alice  @zencode…th-a-long-name  unpinned; secrets SLAC…\n"
	       "\n"
	       "MODELS (1)      SIZE  USER   FOLDER\n"
	       "Q4_K_M.gguf  1.0 GiB  alice  /home/alice/.lmst…io/models/lmstudio-community/Qwen\n"
	       "\n"
	       "EXTENSIONS (1)  USER   WHAT\n"
	       "vscode          alice  Continue 1.2.10\n"
	       "\n"
	       "FILES OF AGENTS (1)  USER   FILES  FOR EXAMPLE\n"
	       "instructions         alice      1  /home/alice/src/CLAUDE.md\n"
	       "\n"
	       "LISTENING (1)  ADDRESS  REACHED FROM  USER    WHAT\n"
	       "ollama         *:11434  any network   ollama  Ollama\n"
	       "\n"
	       "GPU (1)    USED BY\n"
	       "RTX A4000  ollama\n"
	       "\n"
	       "ALSO FOUND (1)  KIND   VERSION  PART OF      USER\n"
	       "pdf             skill  1.0      claude-code  alice\n"
	       "\n"
	       "NOT SEEN (1)  COUNT  WHERE  WHY\n"
	       "files             3  /root  Permission denied\n",
	       "a screen of 80 columns");
}

static void test_wide(void)
{
	small();
	is_str(screen(120, false),
	       "ws-0412, 2026-11-26 11:20:05 UTC: 1 process, AI of 2 users\n"
	       "1 finding: 1 medium\n"
	       "Not all could be seen: files\n"
	       "\n"
	       "RISKS (1)  WHAT WAS FOUND                                                               "
	       "RULE\n"
	       "medium     cursor fetches @zencoderai/slack-mcp-server-with-a-long-name anew each time  "
	       "ai.mcp.unpinned\n"
	       "\n"
	       "AI TOOLS (1)  CLASS      USER    PIDS  HOW IT RUNS\n"
	       "Ollama        local-llm  ollama     1  listens on *:11434\n"
	       "\n"
	       "MCP SERVERS (1)  CLIENT  USER   RUNS                                     NOTES               "
	       "    "
	       "                  VIA\n"
	       "slack            cursor  alice  @zencoderai/s…p-server-with-a-long-name  unpinned; secrets "
	       "SLACK_"
	       "BOT_TOKEN, SLAC…  stdio\n"
	       "\n"
	       "MODELS (1)      SIZE  USER   FOLDER\n"
	       "Q4_K_M.gguf  1.0 GiB  alice  /home/alice/.lmstudio/models/lmstudio-community/Qwen\n"
	       "\n"
	       "EXTENSIONS (1)  USER   WHAT\n"
	       "vscode          alice  Continue 1.2.10\n"
	       "\n"
	       "FILES OF AGENTS (1)  USER   FILES  FOR EXAMPLE\n"
	       "instructions         alice      1  /home/alice/src/CLAUDE.md\n"
	       "\n"
	       "LISTENING (1)  ADDRESS  REACHED FROM  USER    WHAT\n"
	       "ollama         *:11434  any network   ollama  Ollama\n"
	       "\n"
	       "GPU (1)    USED BY\n"
	       "RTX A4000  ollama\n"
	       "\n"
	       "ALSO FOUND (1)  KIND   VERSION  PART OF      USER\n"
	       "pdf             skill  1.0      claude-code  alice\n"
	       "\n"
	       "NOT SEEN (1)  COUNT  WHERE  WHY\n"
	       "files             3  /root  Permission denied\n",
	       "a screen of 120 columns");
	const char *text = screen(120, true);
	ok(strstr(text, "\033[1mRISKS (1)\033[0m") && strstr(text, "\033[33mmedium"),
	   "in colour titles are bold, and severities painted");
	ok(!strchr(screen(120, false), '\033'), "without there is no escape sequence");
}

static void test_one_line(void)
{
	fresh();
	PROCESS("10", "claude", "alice", "tool", "claude-code");
	PROCESS("10", "claude", "alice", "tool", "claude-code");
	for (unsigned i = 11; i < 15; i++) {
		char pid[16];
		snprintf(pid, sizeof pid, "%u", i);
		PROCESS(pid, "claude", "alice", "tool", "claude-code", "process.path", "/usr/bin/claude");
	}
	PROCESS("20", "claude", "bob", "tool", "claude-code");
	PROCESS("21", "sh", "alice", "process.agent", "claude-code");
	PROCESS("22", "sh", "carol", "process.agent", "codex");
	LISTENS("10", "claude", "", "127.0.0.1", "9000", "loopback", "tool", "claude-code");
	LISTENS("10", "claude", "", "127.0.0.1", "9000", "loopback", "tool", "claude-code");
	const char *text = screen(0, false);
	ok(strstr(text, "AI TOOLS (2) "), "a tool of a user is one line, however many processes it has");
	ok(strstr(text, "alice     5  listens on 127.0.0.1:9000; started 1 program\n"),
	   "which counts each process once, and knows by the process what listens");
	ok(!strstr(text, "Codex"), "a tool of which only children are left does not run here");
	ok(strstr(json(), "\"path\":\"/usr/bin/claude\""),
	   "what the first did not know is learnt from the others");

	fresh();
	MCP("cursor", "a", "alice", "stdio", "mcp.config", "/home/alice/.cursor/mcp.json");
	MCP("cursor", "a", "alice", "stdio", "mcp.config", "/home/alice/.cursor/mcp.json");
	MCP("cursor", "a", "alice", "stdio", "mcp.config", "/home/alice/code/.cursor/mcp.json");
	ok(strstr(screen(0, false), "MCP SERVERS (2) "), "a server of one file is one line");

	fresh();
	MODEL("100", "alice", "/m/x-00001-of-00002.safetensors");
	MODEL("200", "alice", "/m/x-00002-of-00002.safetensors");
	MODEL("50", "alice", "/m/y-1-of-2.gguf");
	MODEL("50", "alice", "/m/y-1-of-2.gguf");
	sample_event(inventory, "file", "file.kind", "model", "file.op", "removed", "file.path", "/m/z.gguf",
	             NULL);
	ok(strstr(screen(0, false), "MODELS (2) "),
	   "the parts of a model are one line, and what was removed is none");
	ok(strstr(json(), "{\"path\":\"/m/x-*-of-00002.safetensors\",\"size\":300,"),
	   "with the size of all parts");
	ok(strstr(json(), "{\"path\":\"/m/y-1-of-2.gguf\",\"size\":50,"),
	   "a file that is told twice has its size once");

	fresh();
	sample_finding(inventory, "medium", "r", "again");
	sample_finding(inventory, "high", "r", "grave");
	sample_finding(inventory, "medium", "r", "again");
	sample_finding(inventory, "low", "r", "slight");
	sample_finding(inventory, "odd", "r", "odd");
	text = screen(0, false);
	ok(strstr(text, "5 findings: 1 high, 2 medium, 1 low, 1 info\n"), "findings are counted by severity");
	ok(at(text, "grave") < at(text, "again "), "the gravest comes first");
	ok(strstr(text, "again           x2  r\n"), "those that are alike are one line");
	ok(!strstr(text, "slight"), "and those of no weight none");
}

/* The same events in another order. */
static void test_order(void)
{
	static void (*const parts[])(sense_inventory *) = {sample_processes, sample_listeners, sample_servers,
	                                                   sample_files,     sample_parts,     sample_gaps,
	                                                   sample_findings};
	unsigned count = sizeof parts / sizeof *parts;
	fresh();
	sample_fill(inventory);
	char *want = strdup(screen(100, false));
	fresh();
	for (unsigned i = count; i > 0; i--)
		parts[i - 1](inventory);
	is_str(screen(100, false), want, "the order in which things come changes nothing");
	free(want);
	for (unsigned width = 80; width <= 200; width += 5)
		if (widest(screen(width, false)) > width)
			break;
		else if (width == 200)
			ok(true, "no line is wider than the terminal");
	is_num(widest(screen(80, false)) <= 80, 1, "least of all at 80 columns");
	ok(screen(10, false) != NULL, "a terminal that is too narrow for all does no harm");
	ok(!strstr(screen(0, false), "\xe2\x80\xa6"), "into a file nothing is cut");
}

#define BAD "a\033]0;x\007\n\r\xe2\x80\xae\xc2\x9b\xff\xc3"

static unsigned lines_of(const char *text)
{
	unsigned lines = 0;
	for (; *text; text++)
		lines += *text == '\n';
	return lines;
}

static void hostile(const char *bad)
{
	fresh();
	totals.host = bad;
	PROCESS("10", bad, bad, "tool", bad, "process.container", bad, "process.unattended", bad,
	        "process.agent", "other", "process.parent", bad);
	LISTENS("10", bad, bad, "0.0.0.0", "11434", bad, "tool", bad, "listen.speaks", bad);
	MCP(bad, bad, bad, bad, "mcp.package", bad, "mcp.pinned", "false", "mcp.secrets", bad, "service.id",
	    bad, "service.name", bad, "service.category", bad);
	MCP(bad, bad, bad, bad, "mcp.url", bad, "mcp.config", bad);
	MODEL("1", bad, bad);
	FILE_OF(bad, bad, bad);
	PART("extension", bad, bad, bad, bad);
	PART("gpu", bad, bad, bad, bad);
	PART(bad, bad, bad, bad, bad);
	sample_event(inventory, "gap", "gap.what", bad, "gap.where", bad, "gap.why", bad, "gap.count",
	             "1e300", NULL);
	sample_finding(inventory, "high", bad, bad);
}

static void test_hostile(void)
{
	hostile("x");
	unsigned lines = lines_of(screen(0, false));
	hostile(BAD);
	const char *text = screen(0, false);
	bool clean = true;
	for (const unsigned char *p = (const unsigned char *)text; *p; p++)
		clean &= (*p >= 0x20 && *p != 0x7f) || *p == '\n';
	ok(clean, "control characters do not get through");
	is_num(lines_of(text), lines, "nor do line breaks");
	ok(!strstr(text, "\xe2\x80\xae") && !strstr(text, "\xc2\x9b"),
	   "nor changes of direction, nor C1 controls");
	text = json();
	clean = true;
	for (const unsigned char *p = (const unsigned char *)text; p[1]; p++)
		clean &= *p >= 0x20 && *p != 0x7f;
	ok(clean && lines_of(text) == 1, "in JSON they are escaped");
	ok(strstr(text, "a\\u001b]0;x\\u0007\\n\\r"), "and are all there");

	char *large = malloc(200001);
	memset(large, 'x', 200000);
	large[200000] = '\0';
	hostile(large);
	ok(strlen(json()) < 700000,
	   "a text that is long is cut"); /* those of a finding are bounded by its maker */
	ok(widest(screen(80, false)) == 80, "also on the screen");
	memset(large, 0xe2, 200000);
	hostile(large);
	ok(screen(80, false) && json(), "at the end of a character, where there is one");
	totals.host = NULL;
	free(large);
	sense_inventory_event(inventory, SENSE_EVENT_PROCESS_START, NULL, 0);
	for (int kind = 0; kind < SENSE_EVENT_KINDS; kind++)
		sense_inventory_event(inventory, (enum sense_event_kind)kind, &(struct sense_given){0},
		                      UINT64_MAX);
	sense_inventory_finding(inventory, &(struct sense_finding){0});
	ok(screen(80, false) && json(), "events that say nothing are taken");
}

static void test_bounds(void)
{
	char text[64];
	fresh();
	for (unsigned i = 1; i <= 100000; i++) {
		snprintf(text, sizeof text, "%u", i);
		PROCESS(text, "ollama", "alice", "tool", "ollama");
	}
	ok(strstr(screen(80, false), ": 100000 processes, AI of 1 user\n"), "any number of processes");
	ok(strstr(screen(80, false), "alice  100000\n"), "can be one line");

	fresh();
	for (unsigned i = 0; i < 12000; i++) {
		snprintf(text, sizeof text, "s%u", i);
		MCP("cursor", text, "alice", "stdio");
		sample_finding(inventory, "high", "r", text);
	}
	const char *shown = screen(80, false);
	ok(strstr(shown, "MCP SERVERS (10000)"), "rows are bounded");
	ok(strstr(shown, "\nand 9985 more: sense-agent inventory --json has all\n"),
	   "and the screen is, which is said");
	ok(strstr(shown, "\n4000 more came than are kept, and were left out\n"), "so is what was left out");
	ok(strstr(shown, "12000 findings: 12000 high"), "what is beyond is counted");
	ok(strstr(json(), "\"left_out\":{\"mcp_servers\":2000,\"findings\":2000}"), "in JSON too");
	totals.rows = 3;
	ok(strstr(screen(80, false), "\nand 9997 more: "), "how much is shown can be chosen");

	fresh();
	char large[1100];
	memset(large, 'x', sizeof large - 1);
	large[sizeof large - 1] = '\0';
	for (unsigned i = 0; i < 60000; i++) {
		memcpy(large, text, (size_t)snprintf(text, sizeof text, "%u", i));
		const char *kind = i % 2 ? "package" : "extension";
		PART(kind, large, large, large, large);
	}
	ok(strstr(json(), "\"left_out\":{"), "memory is bounded");
}

static void test_scan(void)
{
	sense_scan *scan = sense_scan_new(SENSE_SCAN_SCREEN, SENSE_COLOR_NEVER);
	struct sense_finding finding = {.timestamp = 1, .severity = "high", .rule = "r"};
	ok(scan && sense_scan_finding(scan, &finding), "a scan takes findings");
	sense_scan_event(scan, SENSE_EVENT_GAP, &(struct sense_given){0}, 1);
	sense_scan_free(scan);
	sense_scan_free(NULL);
}

int main(int argc, char **argv)
{
	sense_buf_init(&out, 0);
	fresh();
	if (argc > 1) {
		sample_fill(inventory);
		fputs(!strcmp(argv[1], "json") ? json()
		                               : screen(argc > 2 ? (unsigned)atoi(argv[2]) : 0, argc > 3),
		      stdout);
		sense_inventory_free(inventory);
		sense_buf_fini(&out);
		return 0;
	}
	test_empty();
	test_narrow();
	test_wide();
	test_one_line();
	test_order();
	test_hostile();
	test_bounds();
	test_scan();
	sense_inventory_free(inventory);
	sense_buf_fini(&out);
	return tap_done();
}
