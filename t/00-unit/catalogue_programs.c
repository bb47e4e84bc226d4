/* Which program a process is: those of the shipped catalogue as they are run, and what only looks like one.
 */
#include "core/catalogue/programs.h"

#include <stdlib.h>
#include <time.h>

#include "t/tap.h"

#define RUNTIMES                                                                                  \
	"id\tname\tclass\trisk_tier\tprocess_names\targv_patterns\tdefault_ports\tconfig_paths\t" \
	"model_or_data_paths\tunattended_flags\tgrade\tsources\n"
#define SDK "ecosystem\tname\tclass\tgrade\tsources\n"

static sense_programs *programs;

/* Arguments are written with '|' between them. */
static struct sense_program_facts facts_of(const char *name, const char *path, const char *arguments,
                                           char *argv)
{
	size_t n = strlen(arguments);
	memcpy(argv, arguments, n + 1);
	for (char *at = argv; (at = strchr(at, '|'));)
		*at++ = '\0';
	return (struct sense_program_facts){
	    .name = name, .path = path, .argv = argv, .argv_len = n ? n + 1 : 0};
}

static const char *find(const char *name, const char *path, const char *arguments)
{
	char argv[4096];
	struct sense_program_facts facts = facts_of(name, path, arguments, argv);
	const struct sense_program *program = sense_programs_find(programs, &facts);
	/* The last argument need not end with NUL. */
	char *exact = malloc(facts.argv_len + 1);
	if (facts.argv_len) {
		facts.argv = memcpy(exact, argv, --facts.argv_len);
		exact = realloc(exact, facts.argv_len + !facts.argv_len);
		facts.argv = exact;
		if (sense_programs_find(programs, &facts) != program)
			program = NULL;
	}
	free(exact);
	return program ? program->id : NULL;
}

struct example {
	const char *id, *name, *path, *argv;
};

static const struct example known[] = {
    {"ollama", "ollama", "/usr/local/bin/ollama", "/usr/local/bin/ollama|serve"},
    {"ollama", "ollama", "/usr/local/bin/ollama", "ollama|runner|--model|/x"},
    {"ollama", "ollama", NULL, ""},
    {"ollama", "ollama", "/usr/local/bin/ollama (deleted)", "ollama|serve"},
    {"ollama", "ollama.exe", NULL, ""},
    {"lmstudio", "lms", "/home/u/.lmstudio/bin/lms", "lms|server|start"},
    {"llamacpp", "llama-server", "/opt/llama.cpp/build/bin/llama-server", "./llama-server|-m|x.gguf"},
    {"llamafile", "mistral.llamafi", "/home/u/mistral.llamafile", "./mistral.llamafile"},
    {"vllm", "python3", "/usr/bin/python3.11", "python3|-m|vllm.entrypoints.openai.api_server|--model|x"},
    {"vllm", "python3", "/usr/bin/python3.11", "python3|-mvllm.entrypoints.openai.api_server"},
    {"vllm", "vllm", "/venv/bin/python3", "/venv/bin/python3|/venv/bin/vllm|serve|x"},
    {"vllm", "VLLM::EngineCor", "/venv/bin/python3", "VLLM::EngineCore"},
    {"sglang", "python", "/usr/bin/python", "python|-u|-W|ignore|-m|sglang.launch_server"},
    {"tgi", "text-generation", NULL, ""},
    {"nim", "docker", "/usr/bin/docker",
     "docker|run|--rm|-e|NGC_API_KEY|--gpus|all|nvcr.io/nim/meta/llama3:1"},
    {"textgen", "python", "/usr/bin/python3", "python|/opt/text-generation-webui/server.py"},
    {"textgen", "python", "/usr/bin/python3", "python|server.py|--api"},
    {"rayserve", "ray::Replica", "/venv/bin/python3", "ray::Replica"},
    {"openwebui", "uvicorn", "/venv/bin/python3",
     "/venv/bin/python3|/venv/bin/uvicorn|--port|8080|open_webui.main:app"},
    {"sillytavern", "node", "/usr/bin/node", "node|/opt/SillyTavern/server.js"},
    {"dify", "docker", "/usr/bin/docker", "docker|run|-d|langgenius/dify-api:0.6"},
    {"jupyter", "jupyter-lab", "/usr/bin/python3", "/usr/bin/python3|/usr/bin/jupyter-lab|--no-browser"},
    {"comfyui", "python", "/usr/bin/python3", "python|/srv/ComfyUI/main.py|--listen"},
    {"litellm", "litellm", "/venv/bin/python3", "/venv/bin/python3|/venv/bin/litellm|--config|c.yaml"},
    {"cliproxy", "cli-proxy-api", "/usr/local/bin/cli-proxy-api", "cli-proxy-api"},
    {"ccr", "node", "/usr/bin/node",
     "node|/usr/lib/node_modules/@musistudio/claude-code-router/dist/cli.js|start"},
    {"chroma", "chroma", "/venv/bin/chroma", "chroma|run|--path|/db"},
    {"qdrant", "qdrant", "/qdrant/qdrant", "./qdrant"},
    {"claude-code", "node", "/usr/bin/node", "node|/usr/lib/node_modules/@anthropic-ai/claude-code/cli.js"},
    {"claude-code", "node", "/usr/bin/node", "node|--no-warnings|-r|x.js|/usr/local/bin/claude|-p|hello"},
    {"claude-code", "claude", "/usr/bin/node", "claude"},
    {"claude-code", "2.0.76", "/home/u/.local/share/claude/versions/2.0.76", "claude|--resume"},
    {"claude-code", "MainThread", "/usr/bin/node22",
     "node|/home/u/.npm/_npx/1/node_modules/@anthropic-ai/claude-code/cli.js"},
    {"claude-code", "npm exec @anthr", "/usr/bin/node", "npm exec @anthropic-ai/claude-code@latest -p x"},
    {"claude-code", "npx", "/usr/bin/node", "node|/usr/bin/npx|-y|@anthropic-ai/claude-code@1.0"},
    {"claude-desktop", "claude-desktop", "/usr/bin/claude-desktop", "claude-desktop"},
    {"codex", "codex", "/usr/local/bin/codex", "codex|exec|do it"},
    {"codex", "node", "/usr/bin/node", "node|/usr/lib/node_modules/@openai/codex/bin/codex.js"},
    {"gemini-cli", "node", "/usr/bin/node", "node|/usr/local/bin/gemini"},
    {"gemini-cli", "node", "/usr/bin/node", "node|/usr/lib/node_modules/@google/gemini-cli/dist/index.js"},
    {"codex", "deno", "/usr/bin/deno", "deno|run|-A|npm:@openai/codex@1.2|hello"},
    {"openwebui", "docker", "/usr/bin/docker",
     "docker|run|-d|-p|3000:8080|--name|x|localhost:5000/open-webui/open-webui:main"},
    {"ollama", "podman", "/usr/bin/podman", "podman|run|--rm|-it|docker.io/ollama/ollama@sha256:00"},
    {"cursor", "cursor", "/usr/share/cursor/cursor", "/usr/share/cursor/cursor|."},
    {"cursor-agent", "node", "/home/u/.local/share/cursor-agent/versions/1/node", "cursor-agent|index.js"},
    {"windsurf", "language_server", NULL, ""},
    {"copilot-cli", "node", "/usr/bin/node", "node|/usr/lib/node_modules/@github/copilot/index.js"},
    {"copilot-cli", "node", "/usr/bin/node", "node|/usr/local/bin/copilot"},
    {"copilot-ls", "node", "/usr/bin/node",
     "node|/home/u/.vscode/extensions/github.copilot-1.250.0/dist/language-server.js"},
    {"aider", "aider", "/usr/bin/python3", "/usr/bin/python3|/home/u/.local/bin/aider|--yes-always"},
    {"aider", "uvx", "/home/u/.local/bin/uv", "uv|tool|run|--from|aider-chat|aider-chat@latest"},
    {"goose", "goose", "/usr/local/bin/goose", "goose|session"},
    {"opencode", "opencode", "/home/u/.opencode/bin/opencode", "opencode"},
    {"openclaw", "node", "/usr/bin/node", "node|/usr/lib/node_modules/openclaw/dist/index.js|gateway"},
    {"openclaw", "node", "/usr/bin/node", "node|/usr/local/bin/openclaw|gateway"},
    {"kimi-code", "kimi", "/home/u/.kimi-code/bin/kimi", "kimi"},
    {"qwen-code", "qwen", "/usr/local/bin/qwen", "qwen|--yolo"},
    {"qwen-code", "node", "/usr/bin/node", "node|/usr/local/bin/qwen"},
    {"grok-cli", "bun", "/usr/bin/bun", "bun|run|/usr/lib/node_modules/@vibe-kit/grok-cli/dist/index.js"},
    {"grok-cli", "node", "/usr/bin/node", "node|/usr/local/bin/grok"},
    {"amazon-q", "q", "/usr/local/bin/q", "q|chat|--trust-all-tools"},
    {"amazon-q", "qchat", "/usr/local/bin/qchat", "qchat"},
    {"cline", "node", "/usr/bin/node", "node|/home/u/.vscode/extensions/saoudrizwan.claude-dev-3.1.0/x.js"},
    {"continue", "cn", "/usr/bin/node", "node|/usr/lib/node_modules/@continuedev/cli/dist/cn.js"},
    {"continue", "node", "/usr/bin/node", "node|/usr/local/bin/cn"},
    {"cody", "node", "/usr/bin/node", "node|/usr/lib/node_modules/@sourcegraph/amp/dist/main.js"},
    {"cody", "node", "/usr/bin/node", "node|/usr/local/bin/amp"},
    {"zed", "zed-editor", "/home/u/.local/zed.app/libexec/zed-editor",
     "/home/u/.local/zed.app/libexec/zed-editor"},
    {"zed", "zed", "/usr/lib/zed/zed", "zed"},
    {"llm-cli", "llm", "/usr/bin/python3", "/usr/bin/python3|/home/u/.local/bin/llm|-m|x|hi"},
    {"llm-cli", "uvx", "/usr/bin/uvx", "uvx|llm|hi"},
    {"docker-models", "docker", "/usr/bin/docker", "docker|model|run|ai/smollm2"},
    {"mcp-stdio", "npm exec @model", "/usr/bin/node",
     "npm exec @modelcontextprotocol/server-filesystem /tmp"},
    {"mcp-stdio", "node", "/usr/bin/node", "node|/usr/bin/npx|-y|@modelcontextprotocol/server-github"},
    {"mcp-stdio", "node", "/usr/bin/node",
     "node|/x/node_modules/@modelcontextprotocol/server-memory/dist/index.js"},
    {"mcp-stdio", "node", "/usr/bin/node", "node|/x/node_modules/.bin/mcp-server-filesystem|/tmp"},
    {"mcp-stdio", "uvx", "/usr/bin/uvx", "uvx|mcp-server-git|--repository|."},
    {"mcp-stdio", "python", "/usr/bin/python3", "python|-m|mcp_server_fetch"},
    {"mcp-stdio", "github-mcp-serv", NULL, ""},
    {"mcp-remote", "node", "/usr/bin/node", "node|/usr/bin/npx|mcp-remote@0.1|https://x.example/mcp"},
    {"mcp-inspector", "node", "/usr/bin/node", "node|/usr/bin/npx|@modelcontextprotocol/inspector"},
    {"gpu-train", "torchrun", "/usr/bin/python3", "/usr/bin/python3|/usr/local/bin/torchrun|t.py"},
    {"gpu-train", "accelerate", "/usr/bin/python3", "/usr/bin/python3|/usr/local/bin/accelerate|launch|t.py"},
    {"langchain-proc", "langgraph", "/usr/bin/python3", "python3|/venv/bin/langgraph|dev"},
    {"adk-proc", "adk", "/usr/bin/python3", "python3|/venv/bin/adk|web"},
};

static const struct example unknown[] = {
    {"an editor opens a file called so", "vim", "/usr/bin/vim.basic", "vim|ollama.txt"},
    {"an editor opens the program itself", "vim", "/usr/bin/vim.basic", "vim|/usr/local/bin/claude"},
    {"a word that is searched for", "grep", "/usr/bin/grep", "grep|-r|claude|."},
    {"a file called q", "cat", "/usr/bin/cat", "cat|q"},
    {"a message of a commit", "git", "/usr/bin/git", "git|commit|-m|codex exec"},
    {"a script's source in a pager", "less", "/usr/bin/less", "less|/opt/text-generation-webui/server.py"},
    {"a user called ollama", "bash", "/usr/bin/bash", "-bash"},
    {"what lies in the home of a user called ollama", "tool", "/home/ollama/bin/tool",
     "/home/ollama/bin/tool"},
    {"a script of a user called jupyter", "python3", "/usr/bin/python3", "python3|/home/jupyter/work.py"},
    {"a script of a user called langchain", "node", "/usr/bin/node", "node|/home/langchain/app.js"},
    {"a script of root's", "python3", "/usr/bin/python3", "python3|/root/work.py"},
    {"a service's home", "sh", "/usr/bin/dash", "sh|/var/lib/litellm/run.sh"},
    {"q alone", "q", "/usr/bin/q", "q|select 1"},
    {"llm alone", "llm", "/usr/bin/llm", "llm"},
    {"cn alone", "cn", "/usr/bin/cn", "cn"},
    {"amp, the editor", "amp", "/usr/bin/amp", "amp|claude.c"},
    {"grok, in which something is searched for", "grok", "/usr/bin/grok", "grok|--help"},
    {"kimi alone", "kimi", "/usr/bin/kimi", "kimi"},
    {"short, known by the kernel's name alone", "q", NULL, ""},
    {"chat of pppd", "chat", "/usr/sbin/chat", "chat|-v|ABORT|BUSY"},
    {"goose, for databases", "goose", "/usr/bin/goose", "goose|up"},
    {"tabby, a terminal", "tabby", "/opt/Tabby/tabby", "/opt/Tabby/tabby"},
    {"chroma, which colours sources", "chroma", "/usr/bin/chroma", "chroma|--lexer=go|x.go"},
    {"a developer's ollama.js", "node", "/usr/bin/node", "node|ollama.js"},
    {"a developer's chat.py as a module", "python", "/usr/bin/python3", "python|-m|chat"},
    {"code on the command line", "node", "/usr/bin/node", "node|-e|require('claude')|claude"},
    {"a shell's command", "sh", "/usr/bin/dash", "sh|-c|ollama run llama3"},
    {"a package that only begins alike", "node", "/usr/bin/node",
     "node|/x/node_modules/@openai/codexx/index.js"},
    {"a scope that only ends alike", "node", "/usr/bin/node", "node|/x/my@github/copilot/index.js"},
    {"a container that is only called so", "docker", "/usr/bin/docker",
     "docker|run|--name|ollama|-v|/a:/ollama/ollama|debian"},
    {"docker ps", "docker", "/usr/bin/docker", "docker|ps"},
    {"npm install", "npm", "/usr/bin/node", "node|/usr/bin/npm|install|@anthropic-ai/claude-code"},
    {"pip install", "pip", "/usr/bin/python3", "python3|/usr/bin/pip|install|litellm"},
    {"python -m pip install", "python", "/usr/bin/python3", "python3|-m|pip|install|vllm"},
    {"uv pip install", "uv", "/usr/bin/uv", "uv|pip|install|llm"},
    {"another case", "CODEX", "/usr/bin/CODEX", "CODEX"},
    {"ssh to a host called so", "ssh", "/usr/bin/ssh", "ssh|ollama"},
    {"sshd of a user called so", "sshd", "/usr/sbin/sshd", "sshd: claude [priv]"},
    {"nothing known", NULL, NULL, ""},
    {"empty arguments", "x", "/x", "|||"},
    {"a name longer than any", NULL, NULL,
     "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa"
     "aaaaaaa"},
};

static const char *unattended(const char *path, const char *arguments)
{
	char argv[4096];
	struct sense_program_facts facts = facts_of(NULL, path, arguments, argv);
	const struct sense_program *program = sense_programs_find(programs, &facts);
	return program ? sense_programs_unattended(programs, program, &facts) : "(no program)";
}

static void options(void)
{
	is_str(unattended("/usr/bin/claude", "claude|--dangerously-skip-permissions|-p|x"),
	       "--dangerously-skip-permissions", "an option");
	is_str(unattended("/usr/bin/claude", "claude|--permission-mode|bypassPermissions"),
	       "--permission-mode bypassPermissions", "an option with its value");
	is_str(unattended("/usr/bin/claude", "claude|--permission-mode=bypassPermissions"),
	       "--permission-mode bypassPermissions", "the same in one argument");
	is_str(unattended("/usr/bin/claude", "claude|--permission-mode|plan"), NULL, "another value");
	is_str(unattended("/usr/bin/claude", "claude|--permission-mode"), NULL, "no value");
	is_str(unattended("/usr/bin/claude", "claude|-p|use --dangerously-skip-permissions"), NULL,
	       "said in a prompt");
	is_str(unattended("/usr/bin/codex", "codex|exec|--|--yolo"), NULL, "behind the options' end");
	is_str(unattended("/usr/bin/codex", "codex|--yolo=false"), NULL, "turned off");
	is_str(unattended("/usr/bin/node", "node|/usr/bin/npx|-y|@google/gemini-cli"), NULL, "npx's own -y");
	is_str(unattended("/usr/bin/node", "node|/usr/bin/npx|-y|@google/gemini-cli|-y"), "-y",
	       "that of what it runs");
	is_str(unattended("/usr/bin/ollama", "ollama|--yolo"), NULL, "a program without such options");
}

static void variables(void)
{
	char out[64];
	const char names[] = "PATH\0OPENAI_API_KEY\0HOME\0\0CLAUDECODE\0XOPENAI_API_KEY\0OPENAI_API_KEYS";
	is_num(sense_programs_markers(programs, names, sizeof names, out, sizeof out), 2,
	       "two variables are AI's");
	is_str(out, "OPENAI_API_KEY,CLAUDECODE", "in their order");
	is_num(sense_programs_markers(programs, names, sizeof names, out, 20), 2,
	       "counted though there is no room");
	is_str(out, "OPENAI_API_KEY", "none is cut");
	is_num(sense_programs_markers(programs, names, sizeof names, out, 0), 2, "no room at all");
	is_num(sense_programs_markers(programs, NULL, 0, out, sizeof out), 0, "nothing known");
	is_str(out, "", "is the empty text");
	static const char sdk[] = SDK "env-var\tACME_*_KEY\tx\tC\ts\npypi\tACME\tx\tC\ts\n";
	sense_programs *own = sense_programs_from(RUNTIMES, strlen(RUNTIMES), sdk, strlen(sdk), NULL);
	const char more[] = "ACME\0ACME_X_KEY\0ACME_KEY\0ACME_A_KEY_B_KEY\0ACME_X_KEYS";
	is_num(sense_programs_markers(own, more, sizeof more, out, sizeof out), 2, "by a glob");
	is_str(out, "ACME_X_KEY,ACME_A_KEY_B_KEY", "from end to end");
	sense_programs_free(own);
}

static void refusals(void)
{
	sense_error err;
	ok(!sense_programs_from("id\tname\n", 8, SDK, strlen(SDK), &err), "a table of other columns");
	ok(strstr(err.message, "runtimes.tsv:1") != NULL, "%s", err.message);
	static const char row[] = RUNTIMES "a\tA\tc\tlow\ta\t\t\t\t\t\tE\ts\n";
	ok(!sense_programs_from(row, strlen(row), SDK, strlen(SDK), &err), "a grade that there is not");
	ok(strstr(err.message, "runtimes.tsv:2: grade 'E'") != NULL, "%s", err.message);
	ok(!sense_programs_load("t/00-unit", &err), "a folder without tables");
	ok(strstr(err.message, "t/00-unit/runtimes.tsv") != NULL, "%s", err.message);
}

/* Told, not judged. */
static void cost(void)
{
	enum { ROUNDS = 2000 };
	static const struct example usual[] = {
	    {NULL, "bash", "/usr/bin/bash", "bash|-c|ls -l /tmp"},
	    {NULL, "git", "/usr/bin/git", "git|status|--porcelain=v2|--branch"},
	    {NULL, "cc1", "/usr/lib/gcc/x86_64-linux-gnu/12/cc1",
	     "cc1|-quiet|-I.|-D_GNU_SOURCE|x.c|-o|/tmp/x.s"},
	    {NULL, "node", "/usr/bin/node", "node|/home/u/src/app/node_modules/.bin/tsc|--watch"},
	    {NULL, "sed", "/usr/bin/sed", "sed|-n|1,2p"},
	};
	struct sense_program_facts facts[5];
	static char argv[5][4096];
	for (unsigned i = 0; i < 5; i++)
		facts[i] = facts_of(usual[i].name, usual[i].path, usual[i].argv, argv[i]);
	struct timespec a, b;
	unsigned found = 0;
	clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &a);
	for (unsigned i = 0; i < ROUNDS * 5; i++)
		found += sense_programs_find(programs, &facts[i % 5]) != NULL;
	clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &b);
	double ns = (double)(b.tv_sec - a.tv_sec) * 1e9 + (double)(b.tv_nsec - a.tv_nsec);
	printf("# %.0f ns a process\n", ns / (ROUNDS * 5));
	is_num(found, 0, "usual programs are none of them");
}

int main(void)
{
	sense_error err;
	programs = sense_programs_load("policies/catalogue", &err);
	if (!ok(programs != NULL, "the shipped tables load")) {
		fprintf(stderr, "# %s\n", err.message);
		return tap_done();
	}
	for (size_t i = 0; i < sizeof known / sizeof *known; i++)
		is_str(find(known[i].name, known[i].path, known[i].argv), known[i].id, "%s: %s", known[i].id,
		       *known[i].argv ? known[i].argv : known[i].name);
	for (size_t i = 0; i < sizeof unknown / sizeof *unknown; i++)
		is_str(find(unknown[i].name, unknown[i].path, unknown[i].argv), NULL, "%s", unknown[i].id);
	options();
	variables();
	refusals();
	cost();
	sense_programs_free(programs);
	return tap_done();
}
