-- What host plugins see of local models: servers that others can reach, and model files.
policy {
  title = "Local models on this host", version = "1",
  description = "Not seen: programs and files that the catalogue does not know. For a runtime in a " ..
    "container the container's proxy may listen, under its own name.",
}

rule "ai.local.listens" {
  title = "AI program accepts connections from other machines",
  severity = "medium", type = "local_model", confidence = 90,
  on = "listen",
  match = { tool = { set = true }, listen = { scope = { none = { "loopback" }, set = true } } },
  params = { known = set {} }, -- tools that may
  when = function(event, params) return not params.known[event.tool] end,
  finding = function(event)
    return {
      summary = ("%s accepts connections on %s port %d"):format(event.tool, event.listen.ip,
        event.listen.port),
    }
  end,
  throttle = { by = { "tool", "listen.port" }, every = "1d" },
  indicator = { weight = 100, about = "tool" },
  tags = { "atlas:AML.T0040" },
}

rule "ai.local.model_file" {
  title = "AI model stored on this host",
  severity = "info", type = "local_model", confidence = 85,
  on = "file",
  -- Smaller ones are samples and parts of other programs.
  match = { file = { kind = "model", op = { "found", "created" }, size = { min = "50MiB" } } },
  finding = function(event)
    return { summary = ("Model of %s: %s"):format(bytes(event.file.size), event.file.path) }
  end,
  throttle = { by = { "file.path" }, every = "30d" },
  tags = { "atlas:AML.T0010" },
}
