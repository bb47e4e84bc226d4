-- A finding function that does not come back.
-- expect: soft
rule "hostile.finding_loop" {
  title = "hostile", severity = "info", on = "flow.classified",
  match = { host = "huggingface.co" },
  when = function(flow, params)
    return true
  end,
  finding = function(flow, params)
    while true do local f = function() end end
  end,
}
