-- A backtracking pattern in gsub.
-- expect: error: too many steps
rule "hostile.pattern_gsub" {
  title = "hostile", severity = "info", on = "flow.classified",
  match = { host = "huggingface.co" },
  when = function(flow, params)
    local s = (("a"):rep(8192)):gsub("(.-)(.-)(.-)b", "%1")
    return s
  end,
}
