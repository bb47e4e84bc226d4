-- Two greedy repetitions, anchored.
-- expect: error: too many steps
rule "hostile.pattern_cubic" {
  title = "hostile", severity = "info", on = "flow.classified",
  match = { host = "huggingface.co" },
  when = function(flow, params)
    local s = ("a"):rep(8192)
    local at = s:match("^a*a*a*b")
    return at
  end,
}
