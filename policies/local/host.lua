-- What sensors see of local models: runtimes that run, servers that others can reach, servers by what they
-- answer, and model files.
policy {
  title = "Local models on this host", version = "2",
  description = "Not seen: programs that the catalogue does not know and that were not asked what they " ..
    "speak (asking is off unless the settings allow it); models inside of other files, such as images " ..
    "of containers. For a runtime in a container the container's proxy may listen, under its own name.",
}

-- Classes local-llm, local-image, local-audio, model-serving, coding-server and gateway of the catalogue,
-- of grades A to C. The others are in agents/programs.lua.
local runtimes = set {
  "ollama", "lmstudio", "llamacpp", "llamafile", "vllm", "sglang", "tgi", "trtllm", "triton", "nim",
  "localai",
  "jan", "gpt4all", "koboldcpp", "textgen", "tabbyapi", "tabby", "aphrodite", "mlc", "lmdeploy", "xinference",
  "fastchat", "mii", "powerinfer", "exo", "petals", "msty", "bentoml", "rayserve", "comfyui", "a1111",
  "invokeai", "whisper", "litellm", "bifrost", "portkey", "tensorzero", "helicone", "omniroute", "envoyai",
}

local function where(event)
  return ("%s port %d"):format(event.listen.ip or "an unknown address", event.listen.port or 0)
end

local function by(event)
  return {
    path = event.process.path, command = event.process.command, hash = event.process.hash,
    container = event.process.container, speaks = event.listen.speaks,
  }
end

-- A runtime that ran before this agent is known by the port that it listens on. Beyond loopback that is
-- told by ai.local.listens.
rule "ai.local.running" {
  title = "Model runtime or gateway runs on this host",
  severity = "low", type = "local_model", confidence = 90,
  on = { "process.start", "listen" },
  match = { tool = runtimes, none = { { listen = { scope = { set = true, none = { "loopback" } } } } } },
  params = { known = set {} }, -- tools that may
  when = function(event, params) return not params.known[event.tool] end,
  finding = function(event)
    return {
      summary = ("%s runs on this host, for %s"):format(event.tool, event.user or "an unknown user"),
      details = by(event),
    }
  end,
  throttle = { by = { "user", "tool" }, every = "1d" },
  indicator = { kind = "process", weight = 100, about = "tool" },
  tags = { "atlas:AML.T0040" },
}

rule "ai.local.listens" {
  title = "AI program accepts connections from other machines",
  severity = "medium", type = "local_model", confidence = 90,
  on = "listen",
  match = {
    tool = { set = true }, listen = { scope = { none = { "loopback" }, set = true },
      speaks = { none = "MCP" } },
  },
  params = { known = set {} }, -- tools that may
  when = function(event, params) return not params.known[event.tool] end,
  finding = function(event)
    return {
      summary = ("%s accepts connections on %s"):format(event.tool, where(event)),
      details = by(event),
    }
  end,
  throttle = { by = { "tool", "listen.port" }, every = "1d" },
  indicator = { weight = 100, about = "tool" },
  tags = { "atlas:AML.T0040" },
}

-- Whatever it is called: it was asked, and answered as a model server does. MCP is told by mcp/running.lua.
rule "ai.local.answers" {
  title = "Program answers like a model server",
  severity = "low", type = "local_model", confidence = 85,
  on = "listen",
  match = { listen = { speaks = { set = true, none = "MCP" } }, tool = { set = false } },
  params = { known = set {} }, -- names of programs that may
  when = function(event, params) return not params.known[event.process.name] end,
  finding = function(event)
    local open = event.listen.scope and event.listen.scope ~= "loopback"
    return {
      severity = open and "medium" or nil,
      summary = ("%s answers as %s on %s%s"):format(event.process.name or "A program", event.listen.speaks,
        where(event), open and ", also to other machines" or ""),
      details = by(event),
    }
  end,
  throttle = { by = { "process.name", "listen.speaks", "listen.port", "listen.scope" }, every = "1d" },
  indicator = { weight = 100, about = "listen.speaks" },
  tags = { "atlas:AML.T0040" },
}

rule "ai.local.model_file" {
  title = "AI model stored on this host",
  severity = "info", type = "local_model", confidence = 85,
  on = "file",
  -- Smaller ones are samples and parts of other programs.
  match = { file = { kind = "model", op = { "found", "created" }, size = { min = "50MiB" } } },
  finding = function(event)
    return {
      summary = ("Model of %s: %s"):format(bytes(event.file.size), event.file.path),
      details = { path = event.file.path, size = event.file.size, op = event.file.op },
    }
  end,
  throttle = { by = { "file.path" }, every = "30d" },
  tags = { "atlas:AML.T0010" },
}
