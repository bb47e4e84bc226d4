#include "core/cli/options.h"

#define REPLAY (1u << SENSE_CLI_REPLAY)
#define CHECK (1u << SENSE_CLI_CHECK)
#define CONFIG (1u << SENSE_CLI_CONFIG)
#define STATUS (1u << SENSE_CLI_STATUS)
#define RELOAD (1u << SENSE_CLI_RELOAD)
#define TEST (1u << SENSE_CLI_TEST)
#define BENCH (1u << SENSE_CLI_BENCH)
#define EXPLAIN (1u << SENSE_CLI_EXPLAIN)
#define NEW (1u << SENSE_CLI_NEW)
#define API (1u << SENSE_CLI_API)
#define FINDINGS (1u << SENSE_CLI_FINDINGS)
#define RUN (1u << SENSE_CLI_RUN)
#define SCAN (1u << SENSE_CLI_SCAN)
#define INVENTORY (1u << SENSE_CLI_INVENTORY)
#define ENROLL (1u << SENSE_CLI_ENROLL)
#define ALL                                                                                                \
	(RUN | SCAN | INVENTORY | REPLAY | CHECK | CONFIG | STATUS | RELOAD | TEST | BENCH | EXPLAIN | NEW |  \
	 FINDINGS | ENROLL)
#define OPTION_COLUMNS 24

const struct sense_cli_option sense_cli_options[] = {
    {"policies", 0, "DIR", "take the policies of DIR instead of those shipped; may be repeated",
     REPLAY | RUN | SCAN | INVENTORY, SENSE_OPTION_POLICIES},
    {"no-policies", 0, NULL, "evaluate no rules at all", REPLAY | INVENTORY, SENSE_OPTION_NO_POLICIES},
    {"observed", 0, NULL, "also print what rules with action \"observe\" find", REPLAY | SCAN,
     SENSE_OPTION_OBSERVED},
    {"json", 0, NULL, "print findings as JSON, one object a line", REPLAY | SCAN, SENSE_OPTION_JSON},
    {"json", 0, NULL, "print all that was found as one JSON object", INVENTORY, SENSE_OPTION_JSON},
    {"flows", 0, NULL, "print flows instead of findings, one JSON object a line", REPLAY,
     SENSE_OPTION_FLOWS},
    {"stats", 0, NULL, "print a summary of the run on stderr", REPLAY, SENSE_OPTION_STATS},
    {"keep", 0, NULL, "keep findings in the spool, too: an agent that runs later reports them", REPLAY,
     SENSE_OPTION_KEEP},
    {"json", 0, NULL, "print the answer as JSON", STATUS | RELOAD, SENSE_OPTION_JSON},
    {"json", 0, NULL, "print findings as JSON, one object a line", FINDINGS, SENSE_OPTION_JSON},
    {"json", 0, NULL, "print findings as they come, too, one JSON object a line", RUN, SENSE_OPTION_JSON},
    {"interface", 'i', "NAME", "listen on this interface; may be repeated", RUN, SENSE_OPTION_INTERFACE},
    {"no-capture", 0, NULL, "look at this host alone, at no packets", RUN, SENSE_OPTION_NO_CAPTURE},
    {"follow", 0, NULL, "go on with those that come, a line each", FINDINGS, SENSE_OPTION_FOLLOW},
    {"ack", 0, NULL, "acknowledge what was printed: it is not kept any longer", FINDINGS, SENSE_OPTION_ACK},
    {"rules", 0, NULL, "also tell how each rule fares", STATUS, SENSE_OPTION_RULES},
    {"no-progress", 0, NULL, "draw no progress bar", REPLAY, SENSE_OPTION_NO_PROGRESS},
    {"color", 0, "WHEN", "auto (on a terminal, unless NO_COLOR is set), always or never",
     REPLAY | FINDINGS | SCAN | INVENTORY, SENSE_OPTION_COLOR},
    {"name", 0, "FILE", "what messages call the policy on stdin", CHECK, SENSE_OPTION_NAME},
    {"json", 0, NULL, "print one JSON object", CHECK | BENCH | EXPLAIN, SENSE_OPTION_JSON},
    {"format", 0, "FORMAT", "pretty, tap, junit or json", TEST, SENSE_OPTION_FORMAT},
    {"coverage", 0, NULL, "fail when a rule fires in no test", TEST, SENSE_OPTION_COVERAGE},
    {"mutate", 0, NULL, "break each rule in turn: fail when no test notices", TEST, SENSE_OPTION_MUTATE},
    {"on", 0, "FILE", "replay this capture; may be repeated", BENCH | EXPLAIN, SENSE_OPTION_ON},
    {"rule", 0, "ID", "the rule in question", EXPLAIN, SENSE_OPTION_RULE},
    {"host", 0, "NAME", "flows to this host, or below it, alone", EXPLAIN, SENSE_OPTION_HOST},
    {"flow", 0, "N", "the flow of this number alone", EXPLAIN, SENSE_OPTION_FLOW},
    {"all", 0, NULL, "show all flows, not the 20 nearest", EXPLAIN, SENSE_OPTION_ALL},
    {"dir", 0, "DIR", "write there instead of the current directory", NEW, SENSE_OPTION_DIR},
    {"event", 0, "EVENT", "what the rule is about (default: flow.classified)", NEW, SENSE_OPTION_EVENT},
    {"reference", 0, NULL, "print the reference in Markdown instead", API, SENSE_OPTION_REFERENCE},
    {"example", 0, NULL, "print a file to begin with, every setting with its default", CONFIG,
     SENSE_OPTION_EXAMPLE},
    {"server", 0, "URL", "ask this server, https://HOST[:PORT], before those of the token", ENROLL,
     SENSE_OPTION_SERVER},
    {"token", 0, "TOKEN", "what the server's administrator gave you; - reads it from stdin", ENROLL,
     SENSE_OPTION_TOKEN},
    {"config", 'c', "FILE", "read this configuration file", ALL, SENSE_OPTION_CONFIG},
    {"set", 0, "KEY=VALUE", "set one configuration key; may be repeated", ALL, SENSE_OPTION_SET},
    {"help", 'h', NULL, "show this help", ALL | API, SENSE_OPTION_HELP},
    {0},
};

const struct sense_cli_about sense_cli_commands[] = {
    [SENSE_CLI_REPLAY] =
        {"replay", "FILE...", "find AI use in packet captures",
         "Reads captures (pcap or pcapng; - is stdin) through the engine and prints what the\n"
         "policies find: a table, or with --json or --flows one JSON object a line.",
         "  sense-agent replay office.pcapng\n"
         "  sense-agent replay --json monday.pcap tuesday.pcap > findings.jsonl\n"
         "  tcpdump -i eth0 -w - | sense-agent replay --stats -\n"
         "  sense-agent replay --policies my/policies --set flow.max=1000000 big.pcap\n",
         true, true},
    [SENSE_CLI_CHECK] =
        {"check", "DIR...", "check policies without running them",
         "Loads each directory of policies as the agent would and reports every mistake with\n"
         "its file and line. The exit code is 1 when there is one. - is one policy on stdin, as an\n"
         "editor has it; --name says where it belongs.",
         "  sense-agent check policies\n"
         "  sense-agent check policies my/policies\n"
         "  sense-agent check --json --name my/rule.lua my - < unsaved.lua\n",
         true, true},
    [SENSE_CLI_CONFIG] =
        {"config", "", "show the effective configuration",
         "Prints every key with its value and where it comes from: the default, /etc/sense/agent.lua (-c FILE),\n"
         "the files of /etc/sense/agent.d (FILE.d) in the order of their names, the environment, --set.",
         "  sense-agent config\n"
         "  sense-agent config --example > agent.lua\n"
         "  sense-agent config -c my.lua --set rules.memory=128MiB\n",
         false, false},
    [SENSE_CLI_STATUS] =
        {"status", "", "show what a running agent runs",
         "Asks the agent at control.socket (/run/sense/agent.sock) for its policies: which generation,\n"
         "since when, whether the disk holds another, what came of the latest reload; and what it saw.",
         "  sense-agent status\n"
         "  sense-agent status --json --rules\n",
         false, false},
    [SENSE_CLI_RELOAD] =
        {"reload", "", "load the policies of a running agent anew",
         "Asks the agent at control.socket (/run/sense/agent.sock) to read its policies again, and\n"
         "waits for the outcome. With any mistake in them those at work go on, all mistakes are\n"
         "printed, and the exit code is 1.",
         "  sense-agent reload\n"
         "  sense-agent reload --set control.socket=/tmp/agent.sock\n",
         false, false},
    [SENSE_CLI_TEST] =
        {"test", "DIR...", "run the tests of policies",
         "Runs the *_test.lua files of each directory, or of one policy, against the policies\n"
         "there, through the engine itself. The exit code is 1 when a test fails.",
         "  sense-agent test my/policies\n"
         "  sense-agent test my/policies/upload.lua\n"
         "  sense-agent test --format junit --coverage my/policies > tests.xml\n"
         "  sense-agent test --mutate my/policies\n",
         true, true},
    [SENSE_CLI_BENCH] =
        {"bench", "DIR...", "measure what each rule costs on a capture",
         "Replays the captures several times through the engine, asks each rule by itself, and\n"
         "prints calls, time and memory of each, the dearest first.",
         "  sense-agent bench --on office.pcapng my/policies\n"
         "  sense-agent bench --json --on monday.pcap --on tuesday.pcap my/policies\n",
         true, true},
    [SENSE_CLI_EXPLAIN] =
        {"explain", "DIR...", "tell why a rule did or did not fire on a capture",
         "Replays the captures and shows, for each flow, the event that came nearest to the rule:\n"
         "its conditions one by one, with the values that they met.",
         "  sense-agent explain --on office.pcapng --rule my.upload my/policies\n"
         "  sense-agent explain --on office.pcapng --rule my.upload --host chatgpt.com my/policies\n",
         true, true},
    [SENSE_CLI_NEW] =
        {"new", "NAME", "begin a policy and its test",
         "Writes NAME.lua and NAME_test.lua, to be changed to what you look for. What is there\n"
         "already is never overwritten.",
         "  sense-agent new upload --dir my/policies --event flow.end\n",
         true, true},
    [SENSE_CLI_API] =
        {"api", "", "describe the rule API to editors",
         "Prints types for editors that speak LuaLS, so that they complete and check rules as\n"
         "this agent does; or the reference.",
         "  sense-agent api > sense.lua\n"
         "  sense-agent api --reference > reference.md\n",
         false, false},
    [SENSE_CLI_RUN] =
        {"run", "", "watch this host and its traffic",
         "Captures live, looks at processes, sockets and files of this host, runs the policies on what\n"
         "it sees, and keeps findings in its spool (agent.dir, /var/lib/sense), until SIGTERM. Needs\n"
         "root, or the capabilities of contrib/systemd/sense-agent.service; what it may not see is\n"
         "reported as a gap.",
         "  sense-agent run\n"
         "  sense-agent run -i eth0 -i lo --json\n"
         "  sense-agent run --no-capture --set host.cpu=1\n",
         false, false},
    [SENSE_CLI_SCAN] =
        {"scan", "", "look at this host once, and tell what the policies find",
         "Makes one pass over the programs, listeners and files of this host and prints one screen: risks,\n"
         "AI tools, services, MCP servers, models, extensions, packages, GPUs, and what could not be\n"
         "seen. With --json it prints the findings. Listens to no packets and keeps nothing. As another\n"
         "user than root it sees what that user may see.",
         "  sense-agent scan\n"
         "  sense-agent scan --json | jq 'select(.severity == \"high\")'\n"
         "  sense-agent scan --policies my/policies\n",
         false, false},
    [SENSE_CLI_INVENTORY] =
        {"inventory", "", "list the AI of this host: tools, MCP servers, models, ...",
         "Makes the same pass as scan and prints the same screen, longer; with --json one object with\n"
         "everything that was found, for other programs and for comparing.",
         "  sense-agent inventory\n"
         "  sense-agent inventory --json > $(hostname).json\n"
         "  sense-agent inventory --json | jq -r '.mcp_servers[] | select(.pinned == false) | .package'\n",
         false, false},
    [SENSE_CLI_FINDINGS] =
        {"findings", "", "show the findings that nobody has acknowledged yet",
         "Asks the agent at control.socket (/run/sense/agent.sock) for the findings in its spool or,\n"
         "when none runs, reads the spool at spool.dir itself. With --ack those printed leave the\n"
         "spool once the output has been written: they then reach no server.",
         "  sense-agent findings\n"
         "  sense-agent findings --json --ack >> findings.jsonl\n"
         "  sense-agent findings --follow --set spool.dir=/var/lib/sense/spool\n",
         false, false},
    [SENSE_CLI_ENROLL] =
        {"enroll", "", "make this agent one of a fleet",
         "Makes a key, has it certified by the server that the token leads to, and keeps both below\n"
         "agent.dir (/var/lib/sense). A running agent then begins to report there by itself. The token\n"
         "says which server to believe: no other one can stand in for it.",
         "  sense-agent enroll --token sense1.AbC...\n"
         "  sense-agent enroll --server https://sense.example.com:8443 --token - < token\n"
         "  sense-agent enroll --token - --set uplink.proxy=proxy.example.com:3128 < token\n",
         false, false},
};

_Static_assert(sizeof sense_cli_commands / sizeof *sense_cli_commands == SENSE_CLI_COMMAND_COUNT,
               "each command is described");

static void option_print(FILE *out, const struct sense_cli_option *option)
{
	char left[64];
	int used = option->letter ? snprintf(left, sizeof left, "-%c, ", option->letter)
	                          : snprintf(left, sizeof left, "    ");
	snprintf(left + used, sizeof left - (size_t)used, "--%s%s%s", option->name,
	         option->argument ? " " : "", option->argument ? option->argument : "");
	fprintf(out, "  %-*s  %s\n", OPTION_COLUMNS, left, option->doc);
}

void sense_cli_help(FILE *out)
{
	fputs("sense-agent finds AI use on networks and hosts.\n\n"
	      "Usage: sense-agent COMMAND [OPTION...] [OPERAND...]\n\nCommands:\n", out);
	for (unsigned i = 0; i < SENSE_CLI_COMMAND_COUNT; i++) {
		char left[64];
		snprintf(left, sizeof left, "%s %s", sense_cli_commands[i].name,
		         sense_cli_commands[i].operands);
		fprintf(out, "  %-*s  %s\n", OPTION_COLUMNS, left, sense_cli_commands[i].doc);
	}
	fprintf(out, "\n  %-*s  %s\n", OPTION_COLUMNS, "COMMAND --help", "options of one command");
	fprintf(out, "  %-*s  %s\n", OPTION_COLUMNS, "--version", "version of this program");
	fputs("\nExamples:\n", out);
	for (unsigned i = 0; i < SENSE_CLI_COMMAND_COUNT; i++)
		fputs(sense_cli_commands[i].examples, out);
	fputs("\nExit codes: 0 done, 1 something failed (a message says what), 2 wrong usage.\n", out);
}

void sense_cli_help_command(FILE *out, enum sense_cli_command command)
{
	const struct sense_cli_about *about = &sense_cli_commands[command];
	fprintf(out, "Usage: sense-agent %s [OPTION...]%s%s\n\n%s\n\nOptions:\n", about->name,
	        *about->operands ? " " : "", about->operands, about->more);
	for (const struct sense_cli_option *option = sense_cli_options; option->name; option++)
		if (option->commands & 1u << command)
			option_print(out, option);
	fprintf(out, "\nExamples:\n%s", about->examples);
}
