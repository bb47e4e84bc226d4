-- Iterating an event.
-- expect: error: cannot be iterated
rule "hostile.handle_iterate" {
  title = "hostile", severity = "info", on = "flow.classified",
  match = { host = "huggingface.co" },
  when = function(flow, params)
    for k, v in pairs(flow) do return v end
  end,
}
