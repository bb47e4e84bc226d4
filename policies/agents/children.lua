-- What an agent starts: shells, package managers and compilers are its daily work and told as such;
-- programs that reach other machines or other rights are told more gravely.
policy {
  title = "Programs started by an AI agent", version = "1",
  description = "At any remove, by the chain of parents. Not seen: what the agent does within itself; a " ..
    "child that cut itself loose before this agent began; programs that are named in neither list; one " ..
    "that was renamed.",
}

-- What says little by itself; a child that is a tool of the catalogue has findings of its own.
rule "ai.agent.child" {
  title = "Program started by an AI agent",
  severity = "info", type = "agent", confidence = 90,
  on = "process.start",
  match = {
    any = {
      { process = { name = { prefix = { "python3.", "python2." } } } },
      { process = { name = {
        "sh", "bash", "dash", "zsh", "fish", "ksh", "pwsh",
        "python", "python3", "node", "deno", "bun", "ruby", "perl", "php", "java",
        "npm", "npx", "pnpm", "yarn", "pip", "pip3", "pipx", "uv", "uvx", "apt", "apt-get", "dnf", "yum",
        "apk", "brew", "cargo", "go", "gem", "composer",
        "cc", "gcc", "g++", "clang", "rustc", "javac", "make", "cmake", "ninja", "git", "gh",
      } } },
    },
    process = { agent = { set = true } }, tool = { set = false },
  },
  finding = function(event)
    local process = event.process
    return {
      summary = ("%s, run by %s, started %s"):format(process.agent, event.user or "an unknown user",
        process.name),
      details = { command = process.command, ancestors = process.ancestors, directory = process.cwd },
    }
  end,
  throttle = { by = { "user", "process.agent", "process.name" }, every = "1d" },
  tags = { "atlas:AML.T0053" },
}

rule "ai.agent.child_risky" {
  title = "AI agent started a program that reaches beyond its work",
  severity = "medium", type = "agent", confidence = 90,
  on = "process.start",
  match = { process = { agent = { set = true }, name = { set = true } }, tool = { set = false } },
  params = {
    risky = { -- and how grave it is; false: it is in order
      curl = "low", wget = "low",
      ssh = "medium", scp = "medium", sftp = "medium", rsync = "medium", ftp = "medium", telnet = "medium",
      docker = "medium", podman = "medium", kubectl = "medium", crontab = "medium", at = "medium",
      nc = "high", ["nc.openbsd"] = "high", ["nc.traditional"] = "high", ncat = "high", socat = "high",
      sudo = "high", su = "high", doas = "high", pkexec = "high", nsenter = "high",
    },
  },
  when = function(event, params) return params.risky[event.process.name] end,
  finding = function(event, params)
    local process = event.process
    return {
      severity = params.risky[process.name],
      summary = ("%s, run by %s, started %s"):format(process.agent, event.user or "an unknown user",
        process.command or process.name),
      details = {
        path = process.path, ancestors = process.ancestors, directory = process.cwd,
          container = process.container,
      },
    }
  end,
  throttle = { by = { "user", "process.agent", "process.name" }, every = "1d" },
  tags = { "atlas:AML.T0053", "atlas:AML.T0086" },
}
