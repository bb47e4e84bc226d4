-- A new environment.
-- expect: error: 'setfenv' is not available
rule "hostile.setfenv" {
  title = "hostile", severity = "info", on = "flow.classified",
  match = { host = "huggingface.co" },
  when = function(flow, params)
    setfenv(1, { })
  end,
}
