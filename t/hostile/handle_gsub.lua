-- An event as the replacement of gsub.
-- expect: error: no field
rule "hostile.handle_gsub" {
  title = "hostile", severity = "info", on = "flow.classified",
  match = { host = "huggingface.co" },
  when = function(flow, params)
    return (("x"):gsub("x", flow))
  end,
}
