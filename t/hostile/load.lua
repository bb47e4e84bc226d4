-- Code made at run time, by load.
-- expect: error: 'load' is not available
rule "hostile.load" {
  title = "hostile", severity = "info", on = "flow.classified",
  match = { host = "huggingface.co" },
  when = function(flow, params)
    return load(function() return nil end)
  end,
}
