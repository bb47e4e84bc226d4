-- Writing to the params.
-- expect: error: read-only
rule "hostile.share_params" {
  title = "hostile", severity = "info", on = "flow.classified",
  match = { host = "huggingface.co" },
  params = { limit = 1 },
  when = function(flow, params)
    params.limit = 7
  end,
}
