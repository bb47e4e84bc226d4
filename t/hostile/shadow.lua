-- Locals that bear the names of what is there.
-- expect: harmless
rule "hostile.shadow" {
  title = "hostile", severity = "info", on = "flow.classified",
  match = { host = "huggingface.co" },
  when = function(flow, params)
    local pairs, error, pcall, string, type = nil, nil, nil, "x", 7
    return string.len and type == 7
  end,
}
