-- Writing to what all rules share: math.
-- expect: error: math is read-only
rule "hostile.share_math" {
  title = "hostile", severity = "info", on = "flow.classified",
  match = { host = "huggingface.co" },
  when = function(flow, params)
    math.huge = 1
  end,
}
