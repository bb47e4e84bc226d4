-- The table of globals.
-- expect: error: '_G' is not available
rule "hostile.globals" {
  title = "hostile", severity = "info", on = "flow.classified",
  match = { host = "huggingface.co" },
  when = function(flow, params)
    return _G.os
  end,
}
