-- Finds   a model server inside that the catalogue does not know, by two weak hints about one address:
--         requests below a path of the usual kind, and answers that stream for long. Each alone says
--         nothing.
-- Misses  servers that only one hint is seen of; requests over TLS have no path.
-- Change  paths and sizes. With the shipped policies loaded keep both weights together below 60 %, from
--         where on ai.activity.use would report the same thing too: 30 and 35 make 54.
policy { title = "Unknown model server, by two hints", version = "1" }

rule "cookbook.two_hints.path" {
  title = "Path of a model API", severity = "info", action = "observe",
  on = "http",
  match = {
    dst_scope = "private", http_method = "POST", http_path = { prefix = { "/v1/", "/generate", "/llm/" } },
  },
  throttle = { by = "dst_ip", every = "1h" },
  indicator = { kind = "model_path", weight = 30, about = "dst_ip" },
}

rule "cookbook.two_hints.stream" {
  title = "Answer that streams for long", severity = "info", action = "observe",
  on = "flow.end",
  match = {
    dst_scope = "private", dst_port = { min = 1024 }, duration = { min = "20s", max = "10m" },
    bytes_down = { min = "16k", max = "2MiB" },
  },
  when = function(flow) return flow.bytes_down >= 4 * flow.bytes_up end,
  throttle = { by = "dst_ip", every = "1h" },
  indicator = { kind = "stream", weight = 35, about = "dst_ip" },
}

rule "cookbook.two_hints" {
  title = "Server that behaves like a model",
  severity = "low", type = "activity",
  on = "activity",
  -- Activities of other rules come by as well: these kinds are this file's own. None reaches 50 alone.
  match = { activity = { kind = { "model_path", "stream" }, confidence = { min = 50 } } },
  finding = function(flow)
    return { summary = ("%s behaves like a model server, asked by %s"):format(
      flow.activity.subject, flow.src_ip) }
  end,
  throttle = { by = "activity.subject", every = "1d" },
}
