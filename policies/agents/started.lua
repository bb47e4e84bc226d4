-- Coding and other agents that begin to run on this host, and those that may act without asking.
policy {
  title = "AI agent started", version = "2",
  description = "Programs that the catalogue knows as agents (policies/catalogue/runtimes.tsv, grades A " ..
    "to C), and its options that let them act without asking. Not seen: what is switched to full " ..
    "autonomy from within, or in a configuration file; agents that ran before this one did, until they " ..
    "start something.",
}

-- Classes coding-agent, ide-agent and autonomous-agent of the catalogue.
local agents = set {
  "claude-code", "codex", "gemini-cli", "cursor-agent", "copilot-cli", "aider", "goose", "opencode",
  "kimi-code",
  "qwen-code", "grok-cli", "amazon-q", "droid", "cline", "roo", "kilo", "augment", "junie", "openclaw",
  "hermes",
  "openhands", "sweagent", "autogpt", "babyagi", "devin",
}

-- Which option it is the catalogue says, for each agent its own: "-y" counts where it means that.
rule "ai.agent.started" {
  title = "AI agent started",
  severity = "info", type = "agent", confidence = 90,
  on = "process.start",
  match = { tool = agents, process = { unattended = { set = false } } },
  finding = function(event)
    return {
      summary = ("%s started by %s"):format(event.tool, event.user or "an unknown user"),
      details = {
        path = event.process.path, parent = event.process.parent, started_by = event.process.agent,
      },
    }
  end,
  throttle = { by = { "user", "tool" }, every = "1d" },
  indicator = { weight = 100, about = "tool" },
  tags = { "atlas:AML.T0053" },
}

rule "ai.agent.unattended" {
  title = "AI agent started that may act without asking",
  severity = "high", type = "agent", confidence = 90,
  on = "process.start",
  match = { tool = agents, process = { unattended = { set = true } } },
  params = { known = set {} }, -- users who may: accounts of build machines
  when = function(event, params) return not params.known[event.user] end,
  finding = function(event)
    return {
      summary = ("%s started by %s with %s"):format(event.tool, event.user or "an unknown user",
        event.process.unattended),
      details = {
        path = event.process.path, directory = event.process.cwd, container = event.process.container,
        parent = event.process.parent, started_by = event.process.agent,
      },
    }
  end,
  throttle = { by = { "user", "tool" }, every = "1h" },
  indicator = { weight = 100, about = "tool" },
  tags = { "atlas:AML.T0053" },
}
