-- string.rep of 2 GB.
-- expect: error: at most
rule "hostile.rep_huge" {
  title = "hostile", severity = "info", on = "flow.classified",
  match = { host = "huggingface.co" },
  when = function(flow, params)
    return ("x"):rep(2 ^ 31)
  end,
}
