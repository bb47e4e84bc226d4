-- Code made at run time.
-- expect: error: 'loadstring' is not available
rule "hostile.loadstring" {
  title = "hostile", severity = "info", on = "flow.classified",
  match = { host = "huggingface.co" },
  when = function(flow, params)
    return loadstring("return os")()
  end,
}
