-- A summary of a mebibyte.
-- expect: harmless
rule "hostile.finding_long" {
  title = "hostile", severity = "info", on = "flow.classified",
  match = { host = "huggingface.co" },
  when = function(flow, params)
    return true
  end,
  finding = function(flow, params)
    return { summary = ("s"):rep(1048576), evidence = { ("e"):rep(1048576) }, details = { d = ("d"):rep(1048576) } }
  end,
}
