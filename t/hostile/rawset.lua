-- Writing by rawset.
-- expect: error: 'rawset' is not available
rule "hostile.rawset" {
  title = "hostile", severity = "info", on = "flow.classified",
  match = { host = "huggingface.co" },
  when = function(flow, params)
    rawset(string, "rep", nil)
  end,
}
