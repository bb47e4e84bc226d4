-- A reference back to a capture that grows.
-- expect: error: too many steps
rule "hostile.pattern_reference" {
  title = "hostile", severity = "info", on = "flow.classified",
  match = { host = "huggingface.co" },
  when = function(flow, params)
    local at = (("a"):rep(8192)):find("(a*)%1%1b")
    return at
  end,
}
