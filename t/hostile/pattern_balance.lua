-- %b that never balances, from each place.
-- expect: error: too many steps
rule "hostile.pattern_balance" {
  title = "hostile", severity = "info", on = "flow.classified",
  match = { host = "huggingface.co" },
  when = function(flow, params)
    local at = (("("):rep(8192)):find("%b()")
    return at
  end,
}
