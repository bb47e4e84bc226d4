-- A format of a huge width.
-- expect: error: invalid
rule "hostile.format_width" {
  title = "hostile", severity = "info", on = "flow.classified",
  match = { host = "huggingface.co" },
  when = function(flow, params)
    return ("%99999999d"):format(1)
  end,
}
