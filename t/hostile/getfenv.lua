-- The environment of the caller.
-- expect: error: 'getfenv' is not available
rule "hostile.getfenv" {
  title = "hostile", severity = "info", on = "flow.classified",
  match = { host = "huggingface.co" },
  when = function(flow, params)
    return getfenv(2)
  end,
}
