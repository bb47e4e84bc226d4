/*
 * A workstation of three people who use AI a lot, made up: the sample of docs/output.md, and what the
 * tests of the inventory compare with.
 */
#ifndef SENSE_T_INVENTORY_SAMPLE_H
#define SENSE_T_INVENTORY_SAMPLE_H

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "core/inventory/inventory.h"

#define SAMPLE_TS UINT64_C(1795692005250000) /* 2026-11-26 11:20:05 UTC */

static inline struct sense_addr sample_addr(const char *text)
{
	struct sense_addr addr = {0};
	unsigned b[4];
	if (sscanf(text, "%u.%u.%u.%u", &b[0], &b[1], &b[2], &b[3]) == 4) {
		memset(addr.bytes + 10, 0xff, 2);
		for (unsigned i = 0; i < 4; i++)
			addr.bytes[12 + i] = (uint8_t)b[i];
	} else if (!strcmp(text, "::1")) {
		addr.bytes[15] = 1;
	}
	return addr;
}

/*
 * One event: names of fields and their values as text, ending with NULL. Numbers, booleans and addresses
 * are read from the text.
 */
static inline void sample_event(sense_inventory *inventory, const char *event, ...)
{
	static struct sense_given given;
	va_list args;
	const char *name;
	memset(&given, 0, sizeof given);
	va_start(args, event);
	while ((name = va_arg(args, const char *))) {
		const char *value = va_arg(args, const char *);
		enum sense_field field = (enum sense_field)sense_field_find(name);
		struct sense_addr addr;
		switch (sense_field_type(field)) {
		case SENSE_VALUE_NUMBER:
			sense_given_number(&given, field, strtod(value, NULL));
			break;
		case SENSE_VALUE_BOOL:
			sense_given_bool(&given, field, !strcmp(value, "true"));
			break;
		case SENSE_VALUE_ADDR:
			addr = sample_addr(value);
			sense_given_addr(&given, field, &addr);
			break;
		default:
			sense_given_string(&given, field, value);
			break;
		}
	}
	va_end(args);
	sense_inventory_event(inventory, (enum sense_event_kind)sense_event_find(event), &given, SAMPLE_TS);
}

static inline void sample_finding(sense_inventory *inventory, const char *severity, const char *rule,
                                  const char *summary)
{
	struct sense_finding finding = {.timestamp = SAMPLE_TS,
	                                .severity = severity,
	                                .rule = rule,
	                                .type = "agent",
	                                .summary = summary,
	                                .action = "alert"};
	sense_inventory_finding(inventory, &finding);
}

static inline const char *sample_lookup(const char *id, unsigned column)
{
	static const char *const rows[][3] = {
	    {"claude-code", "Claude Code", "coding-agent"},
	    {"ollama", "Ollama", "local-llm"},
	    {"codex", "OpenAI Codex CLI", "coding-agent"},
	    {"cursor", "Cursor", "ai-ide"},
	    {"lmstudio", "LM Studio", "local-llm"},
	    {"vllm", "vLLM", "local-llm"},
	    {"aider", "Aider", "coding-agent"},
	    {"openwebui", "Open WebUI", "chat-ui"},
	};
	for (unsigned i = 0; i < sizeof rows / sizeof *rows; i++)
		if (!strcmp(rows[i][0], id))
			return rows[i][column];
	return NULL;
}

static inline const char *sample_name(void *self, const char *id)
{
	(void)self;
	return sample_lookup(id, 1);
}

static inline const char *sample_class(void *self, const char *id)
{
	(void)self;
	return sample_lookup(id, 2);
}

static inline struct sense_inventory_totals sample_totals(void)
{
	return (struct sense_inventory_totals){
	    .host = "ws-0412", .ts_us = SAMPLE_TS, .tool_name = sample_name, .tool_class = sample_class};
}

#define PROCESS(pid, name, who, ...)                                                                    \
	sample_event(inventory, "process.start", "process.pid", pid, "process.name", name, "user", who, \
	             ##__VA_ARGS__, NULL)
#define LISTENS(pid, name, who, ip, port, scope, ...)                                               \
	sample_event(inventory, "listen", "process.pid", pid, "process.name", name, "user", who,    \
	             "listen.ip", ip, "listen.port", port, "listen.l4", "6", "listen.scope", scope, \
	             ##__VA_ARGS__, NULL)
#define MCP(client, server, who, via, ...)                                                      \
	sample_event(inventory, "mcp", "mcp.client", client, "mcp.server", server, "user", who, \
	             "mcp.transport", via, ##__VA_ARGS__, NULL)
#define MODEL(size, who, path)                                                                               \
	sample_event(inventory, "file", "file.kind", "model", "file.op", "found", "file.size", size, "user", \
	             who, "file.path", path, NULL)
#define FILE_OF(kind, who, path)                                                                         \
	sample_event(inventory, "file", "file.kind", kind, "file.op", "found", "user", who, "file.path", \
	             path, NULL)
#define PART(kind, app, who, name, version)                                                             \
	sample_event(inventory, "inventory", "inventory.kind", kind, "inventory.app", app, "user", who, \
	             "inventory.name", name, "inventory.version", version, NULL)

static inline void sample_processes(sense_inventory *inventory)
{
	PROCESS("1", "systemd", "root");
	PROCESS("611", "sshd", "root");
	PROCESS("702", "ollama", "ollama", "tool", "ollama", "process.path", "/usr/local/bin/ollama",
	        "process.parent", "systemd", "process.container", "ollama.service");
	PROCESS("911", "ollama", "ollama", "tool", "ollama", "process.parent", "ollama", "process.container",
	        "ollama.service");
	PROCESS("2101", "claude", "alice", "tool", "claude-code", "process.parent", "zsh", "process.command",
	        "claude --dangerously-skip-permissions", "process.unattended",
	        "--dangerously-skip-permissions", "process.path", "/home/alice/.local/bin/claude");
	PROCESS("2150", "claude", "alice", "tool", "claude-code", "process.parent", "zsh", "process.command",
	        "claude");
	PROCESS("2160", "bash", "alice", "process.agent", "claude-code", "process.parent", "claude");
	PROCESS("2161", "npm", "alice", "process.agent", "claude-code", "process.parent", "bash");
	PROCESS("2162", "node", "alice", "process.agent", "claude-code", "process.parent", "npm");
	PROCESS("2301", "cursor", "alice", "tool", "cursor", "process.parent", "gnome-shell");
	PROCESS("3001", "codex", "bob", "tool", "codex", "process.parent", "tmux", "process.command",
	        "codex --full-auto", "process.unattended", "--full-auto");
	PROCESS("3010", "aider", "bob", "tool", "aider", "process.parent", "bash");
	PROCESS("4001", "python3", "carol", "tool", "vllm", "process.parent", "bash", "process.command",
	        "python3 -m vllm.entrypoints.openai.api_server --model mistral");
	PROCESS("4100", "open-webui", "root", "tool", "openwebui", "process.container",
	        "docker 3f1c9d0b77aa");
	PROCESS("4200", "lm-studio", "carol", "tool", "lmstudio", "process.parent", "gnome-shell");
}

static inline void sample_listeners(sense_inventory *inventory)
{
	LISTENS("702", "ollama", "ollama", "0.0.0.0", "11434", "any", "tool", "ollama", "listen.speaks",
	        "Ollama");
	LISTENS("702", "ollama", "ollama", "::", "11434", "any", "tool", "ollama", "listen.speaks", "Ollama");
	LISTENS("4001", "python3", "carol", "10.2.0.15", "8000", "private", "tool", "vllm", "listen.speaks",
	        "OpenAI-compatible");
	LISTENS("4200", "lm-studio", "carol", "127.0.0.1", "1234", "loopback", "tool", "lmstudio",
	        "listen.speaks", "OpenAI-compatible");
	LISTENS("4100", "docker-proxy", "root", "0.0.0.0", "3000", "any", "tool", "openwebui");
	LISTENS("5001", "node", "alice", "127.0.0.1", "3845", "loopback", "listen.speaks", "MCP");
	LISTENS("611", "sshd", "root", "0.0.0.0", "22", "any");
	LISTENS("820", "cupsd", "root", "127.0.0.1", "631", "loopback");
}

static inline void sample_servers(sense_inventory *inventory)
{
	MCP("claude-code", "github", "alice", "http", "mcp.url", "https://api.githubcopilot.com/mcp/",
	    "service.id", "github-copilot", "service.name", "GitHub Copilot", "service.category", "coding",
	    "mcp.config", "/home/alice/.claude.json");
	MCP("claude-code", "filesystem", "alice", "stdio", "mcp.command",
	    "npx -y @modelcontextprotocol/server-filesystem /", "mcp.package",
	    "@modelcontextprotocol/server-filesystem", "mcp.pinned", "false", "mcp.config",
	    "/home/alice/.claude.json");
	MCP("cursor", "postgres", "alice", "stdio", "mcp.package",
	    "@modelcontextprotocol/server-postgres@0.6.2", "mcp.pinned", "true", "mcp.secrets",
	    "DATABASE_URL", "mcp.config", "/home/alice/.cursor/mcp.json");
	MCP("cursor", "slack", "alice", "stdio", "mcp.package", "@zencoderai/slack-mcp-server", "mcp.pinned",
	    "false", "mcp.secrets", "SLACK_BOT_TOKEN, SLACK_TEAM_ID", "mcp.config",
	    "/home/alice/.cursor/mcp.json");
	MCP("codex", "browser", "bob", "stdio", "mcp.package", "@playwright/mcp@latest", "mcp.pinned",
	    "false", "mcp.config", "/home/bob/.codex/config.toml");
	MCP("vscode", "intranet", "carol", "sse", "mcp.url", "http://mcp.corp.example:8080/sse", "mcp.config",
	    "/home/carol/.config/Code/User/mcp.json");
	MCP("claude-desktop", "memory", "carol", "stdio", "mcp.command", "/opt/mcp/memory --stdio",
	    "mcp.config", "/home/carol/.config/Claude/claude_desktop_config.json");
}

static inline void sample_files(sense_inventory *inventory)
{
	MODEL("4920753152", "ollama",
	      "/usr/share/ollama/.ollama/models/blobs/"
	      "sha256-667b0c1932bc6ffc593ed1d03f895bf2dc8dc6df21db3042284a6f4416b06a29");
	for (unsigned part = 1; part <= 4; part++) {
		char path[200];
		snprintf(path, sizeof path,
		         "/home/carol/.cache/huggingface/hub/models--mistralai--Mistral-7B-Instruct-v0.3/"
		         "snapshots/e0bc86c2/model-%05u-of-00004.safetensors",
		         part);
		MODEL("4949453792", "carol", path);
	}
	MODEL("1117320736", "carol", "/home/carol/.lmstudio/models/qwen/Qwen2.5-1.5B-Instruct-Q4_K_M.gguf");
	MODEL("90868373", "alice", "/home/alice/src/search/models/all-MiniLM-L6-v2.onnx");
	FILE_OF("instructions", "alice", "/home/alice/src/search/CLAUDE.md");
	FILE_OF("instructions", "alice", "/home/alice/src/shop/CLAUDE.md");
	FILE_OF("instructions", "bob", "/home/bob/code/AGENTS.md");
	FILE_OF("mcp_config", "alice", "/home/alice/.claude.json");
	FILE_OF("mcp_config", "alice", "/home/alice/.cursor/mcp.json");
}

static inline void sample_parts(sense_inventory *inventory)
{
	static const char *const packages[] = {"anthropic",        "openai",      "langchain",
	                                       "langchain-openai", "llama-index", "tiktoken",
	                                       "transformers",     "torch",       "sentence-transformers",
	                                       "chromadb",         "litellm",     "crewai"};
	PART("extension", "vscode", "alice", "Claude Code", "2.0.31");
	PART("extension", "vscode", "alice", "GitHub Copilot", "1.388.0");
	PART("extension", "vscode", "alice", "GitHub Copilot Chat", "0.33.1");
	PART("extension", "vscode", "carol", "Continue", "1.2.10");
	PART("extension", "chrome", "alice", "Monica: ChatGPT AI Assistant", "8.1.0");
	PART("extension", "chrome", "bob", "Sider", "5.21.0");
	PART("extension", "jetbrains", "bob", "JetBrains AI Assistant", "252.23892");
	for (unsigned i = 0; i < sizeof packages / sizeof *packages; i++)
		PART("package", "pypi", "carol", packages[i], "1.2.3");
	PART("package", "npm", "alice", "@anthropic-ai/sdk", "0.68.0");
	PART("package", "npm", "alice", "ai", "5.0.89");
	sample_event(inventory, "inventory", "inventory.kind", "gpu", "inventory.name", "NVIDIA RTX A4000",
	             "inventory.version", "550.163.01", "inventory.path", "/dev/nvidia0", "process.name",
	             "ollama", "user", "ollama", "process.pid", "911", NULL);
}

static inline void sample_gaps(sense_inventory *inventory)
{
	sample_event(inventory, "gap", "gap.what", "files", "gap.where", "/home/dave", "gap.why",
	             "Permission denied", "gap.count", "1", NULL);
	sample_event(inventory, "gap", "gap.what", "files", "gap.where", "/home/erin", "gap.why",
	             "Permission denied", "gap.count", "1", NULL);
	sample_event(inventory, "gap", "gap.what", "processes", "gap.where", "/proc", "gap.why",
	             "Operation not permitted", "gap.count", "212", NULL);
}

static inline void sample_findings(sense_inventory *inventory)
{
	sample_finding(inventory, "high", "ai.agent.unattended",
	               "claude-code started by alice with --dangerously-skip-permissions");
	sample_finding(inventory, "high", "ai.agent.unattended", "codex started by bob with --full-auto");
	sample_finding(inventory, "critical", "ai.mcp.secret",
	               "SLACK_BOT_TOKEN stands in the MCP configuration of cursor");
	sample_finding(inventory, "medium", "ai.local.listens",
	               "ollama accepts connections on 0.0.0.0 port 11434");
	sample_finding(inventory, "medium", "ai.local.listens",
	               "vllm accepts connections on 10.2.0.15 port 8000");
	sample_finding(inventory, "medium", "ai.mcp.unpinned",
	               "cursor fetches @zencoderai/slack-mcp-server anew each time, whatever its version");
	sample_finding(inventory, "medium", "ai.mcp.unpinned",
	               "cursor fetches @zencoderai/slack-mcp-server anew each time, whatever its version");
	for (unsigned i = 0; i < 7; i++)
		sample_finding(inventory, "low", "ai.mcp.configured", "MCP server configured");
	sample_finding(inventory, "info", "ai.local.model_file", "Model of 4.6 GiB");
}

static inline void sample_fill(sense_inventory *inventory)
{
	sample_processes(inventory);
	sample_listeners(inventory);
	sample_servers(inventory);
	sample_files(inventory);
	sample_parts(inventory);
	sample_gaps(inventory);
	sample_findings(inventory);
}

#endif
