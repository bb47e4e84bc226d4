-- Writing to what all rules share: string.
-- expect: error: string is read-only
rule "hostile.share_string" {
  title = "hostile", severity = "info", on = "flow.classified",
  match = { host = "huggingface.co" },
  when = function(flow, params)
    string.format = function() return "mine" end
  end,
}
