-- A finding function that does not come back, compiled.
-- expect: hard
rule "hostile.finding_loop_compiled" {
  title = "hostile", severity = "info", on = "flow.classified",
  match = { host = "huggingface.co" },
  when = function(flow, params)
    return true
  end,
  finding = function(flow, params)
    while true do end
  end,
}
