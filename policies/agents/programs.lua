-- Programs of the catalogue that are neither agents (started.lua) nor runtimes (local/host.lua) nor MCP
-- servers (mcp/running.lua): assistants, editors with one built in, frameworks. And those that the
-- catalogue is not sure of.
policy {
  title = "AI program started", version = "1",
  description = "Once a week for each user. Not seen: assistants that are a page in a browser, or a " ..
    "part of a program that is not known for it; notebooks and generic user interfaces (class ml-ui), " ..
    "which are no AI.",
}

local assistants = set {
  "claude-desktop", "chatgpt-desktop", "pieces", "mscopilot", "superwhisper", "meetingapps", -- desktop-app
  "antigravity", "cursor", "windsurf", "kiro", "zed", "trae", -- ai-ide
  "copilot-ls", "continue", "tabnine", "supermaven", "cody", -- coding-assistant, ide-assistant
  "sgpt", "llm-cli", "warp", "perplexity-app", "dia", -- cli-assistant, ai-terminal, ai-browser
  "openwebui", "anythingllm", "librechat", "lobechat", "sillytavern", "nextchat", "hfchatui", "h2ogpt",
  -- chat-ui
  "privategpt", "onyx", "quivr", "ragflow", -- rag
  "dify", "flowise", "langflow", "n8n", "astrbot", -- agent-platform
}

local frameworks = set {
  "langchain-proc", "crewai-proc", "autogen-proc", "sk-proc", "adk-proc", "pydanticai-proc", "oaiagents-proc",
  "llamaindex-proc", "haystack-proc", -- agent-framework
  "gpu-train", "chroma", "qdrant", "weaviate", "milvus", -- ml-training, vectordb
}

-- Rows of grade D and U: a program of that name, which may be another.
local unsure = set {
  "ccr", "cliproxy", "crush", "nanoclaw", "openinterp", "eigent", "dsh", "gptengineer", "qoder", "void",
  "atlas", "docker-models", "mlx", "fooocus", "mcp-inspector",
}

local function said(event)
  return {
    summary = ("%s started by %s"):format(event.tool, event.user or "an unknown user"),
    details = {
      path = event.process.path, parent = event.process.parent, container = event.process.container,
    },
  }
end

rule "ai.program.assistant" {
  title = "AI assistant started",
  severity = "info", type = "agent", confidence = 85,
  on = "process.start",
  match = { tool = assistants },
  params = { known = set {} }, -- tools that are in order
  when = function(event, params) return not params.known[event.tool] end,
  finding = said,
  throttle = { by = { "user", "tool" }, every = "7d" },
  indicator = { weight = 100, about = "tool" },
  tags = { "atlas:AML.T0047" },
}

-- Most are known by a word among the arguments alone.
rule "ai.program.framework" {
  title = "Framework for AI agents or models in use",
  severity = "info", type = "agent", confidence = 70,
  on = "process.start",
  match = { tool = frameworks },
  params = { known = set {} },
  when = function(event, params) return not params.known[event.tool] end,
  finding = said,
  throttle = { by = { "user", "tool" }, every = "7d" },
  indicator = { weight = 60, about = "tool" },
  tags = { "atlas:AML.T0053" },
}

rule "ai.program.hint" {
  title = "Program that bears the name of an AI tool",
  severity = "info", type = "agent", confidence = 50,
  on = "process.start", action = "observe",
  match = { tool = unsure },
  throttle = { by = { "user", "tool" }, every = "1d" },
  indicator = { weight = 50, about = "tool" },
}

-- A name that another program may bear, and an option that this one has: together they prove it.
rule "ai.program.hint_option" {
  title = "Program with the name and an option of an AI tool",
  severity = "info", type = "agent", confidence = 60,
  on = "process.start", action = "observe",
  match = { tool = unsure, process = { unattended = { set = true } } },
  throttle = { by = { "user", "tool" }, every = "1d" },
  indicator = { kind = "option", weight = 50, about = "tool" },
}
