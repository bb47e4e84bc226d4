-- An error that is nil.
-- expect: error: raised a nil
rule "hostile.error_nil" {
  title = "hostile", severity = "info", on = "flow.classified",
  match = { host = "huggingface.co" },
  when = function(flow, params)
    error()
  end,
}
