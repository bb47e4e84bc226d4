-- A backtracking pattern in gmatch.
-- expect: error: too many steps
rule "hostile.pattern_gmatch" {
  title = "hostile", severity = "info", on = "flow.classified",
  match = { host = "huggingface.co" },
  when = function(flow, params)
    local n = 0
    for w in (("a"):rep(8192)):gmatch("a*a*a*b") do n = n + 1 end
    return n
  end,
}
