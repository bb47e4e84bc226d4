-- One lazy repetition without an anchor: quadratic.
-- expect: error: too many steps
rule "hostile.pattern_lazy" {
  title = "hostile", severity = "info", on = "flow.classified",
  match = { host = "huggingface.co" },
  when = function(flow, params)
    local s = ("a"):rep(8192)
    local at = s:find(".-b")
    return at
  end,
}
