-- string.rep of nothing, very often.
-- expect: harmless
rule "hostile.rep_empty" {
  title = "hostile", severity = "info", on = "flow.classified",
  match = { host = "huggingface.co" },
  when = function(flow, params)
    return (""):rep(2 ^ 31 - 1) == "" and ("x"):rep(-1e18) == "" and pcall(string.rep, "x", 0 / 0) ~= nil
  end,
}
