-- More captures than there is room for.
-- expect: error: too many captures
rule "hostile.pattern_captures" {
  title = "hostile", severity = "info", on = "flow.classified",
  match = { host = "huggingface.co" },
  when = function(flow, params)
    local at = ("aaaa"):find(("()"):rep(40))
    return at
  end,
}
