-- Finds   a model runtime on another port than its own: somebody moved it out of the way of whoever
--         looks for port 11434, or runs a second one.
-- Misses  requests over TLS, and runtimes whose port is anybody's (8000, 8080).
-- Change  the ports. The rule on `listen` is for the sensors of `run` and `scan`; a replay has none.
policy { title = "Model runtime on an unusual port", version = "1" }

-- By what is spoken on the wire, and by the tool's id on a host (policies/catalogue/runtimes.tsv).
local usual = {
  Ollama = 11434, ollama = 11434, ["LM Studio"] = 1234, lmstudio = 1234, KoboldCpp = 5001, koboldcpp = 5001,
}

rule "cookbook.odd_port" {
  title = "Model runtime asked on an unusual port",
  severity = "medium", type = "local_model", confidence = 90,
  on = "http",
  match = { signal = { score = { min = 100 } }, dst_scope = { none = "public" } },
  params = { usual = usual },
  when = function(flow, params)
    local port = params.usual[flow.signal.label]
    return port and flow.dst_port ~= port
  end,
  finding = function(flow, params)
    return { summary = ("%s at %s is asked on port %d, not on %d"):format(
      flow.signal.label, flow.dst_ip, flow.dst_port, params.usual[flow.signal.label]) }
  end,
  throttle = { by = { "dst_ip", "dst_port" }, every = "1d" },
}

rule "cookbook.odd_port.listen" {
  title = "Model runtime listens on an unusual port",
  severity = "low", type = "local_model", confidence = 90,
  on = "listen",
  match = { tool = { set = true } },
  params = { usual = usual },
  when = function(flow, params)
    local port = params.usual[flow.tool]
    return port and flow.listen.port ~= port
  end,
  finding = function(flow) -- open to others it is worse than a developer's second one on loopback
    return { severity = flow.listen.scope ~= "loopback" and "high" or nil }
  end,
  throttle = { by = { "tool", "listen.port" }, every = "1d" },
}
