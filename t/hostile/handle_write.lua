-- Writing to the event.
-- expect: error: read-only
rule "hostile.handle_write" {
  title = "hostile", severity = "info", on = "flow.classified",
  match = { host = "huggingface.co" },
  when = function(flow, params)
    flow.host = "forged.example"
  end,
}
