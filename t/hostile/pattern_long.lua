-- A text beyond what may be searched.
-- expect: error: cannot be searched
rule "hostile.pattern_long" {
  title = "hostile", severity = "info", on = "flow.classified",
  match = { host = "huggingface.co" },
  when = function(flow, params)
    local at = (("a"):rep(8193)):find("a-b")
    return at
  end,
}
