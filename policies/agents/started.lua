-- Coding and other agents that begin to run on this host, and those that may act without asking.
policy {
  title = "AI agent started", version = "1",
  description = "Programs that the catalogue knows as agents (policies/catalogue/runtimes.tsv). Not seen: " ..
    "what is switched to full autonomy from within, or in a configuration file.",
}

local agents = set {
  "claude-code", "codex", "gemini-cli", "cursor-agent", "copilot-cli", "aider", "goose", "opencode", "crush",
  "dsh", "kimi-code", "qwen-code", "grok-cli", "amazon-q", "droid", "gptengineer", "cline", "roo", "kilo",
  "augment", "openclaw", "hermes", "nanoclaw", "openinterp", "openhands", "sweagent", "autogpt", "babyagi",
  "devin", "eigent",
}

-- Options by which they are told not to ask. Short ones (-y) mean other things elsewhere, and are left out.
local unattended = words {
  "--dangerously-skip-permissions", "--permission-mode bypassPermissions",
  "--dangerously-bypass-approvals-and-sandbox", "--full-auto", "--yolo", "--sandbox danger-full-access",
  "--ask-for-approval never", "--approval-mode yolo", "--autopilot", "--allow-all", "--yes-always",
  "--auto_run", "--trust-all-tools",
}

rule "ai.agent.started" {
  title = "AI agent started",
  severity = "info", type = "agent", confidence = 90,
  on = "process.start",
  match = { tool = agents },
  when = function(process) return not unattended(process.process.command) end,
  finding = function(process)
    return { summary = ("%s started by %s"):format(process.tool, process.user or "an unknown user") }
  end,
  throttle = { by = { "user", "tool" }, every = "1d" },
  indicator = { weight = 100, about = "tool" },
  tags = { "atlas:AML.T0053" },
}

rule "ai.agent.unattended" {
  title = "AI agent started that may act without asking",
  severity = "high", type = "agent", confidence = 90,
  on = "process.start",
  match = { tool = agents },
  when = function(process) return unattended(process.process.command) end,
  finding = function(process)
    return {
      summary = ("%s started by %s with %s"):format(process.tool, process.user or "an unknown user",
        unattended(process.process.command)),
    }
  end,
  throttle = { by = { "user", "tool" }, every = "1h" },
  indicator = { weight = 100, about = "tool" },
  tags = { "atlas:AML.T0053" },
}
