-- A mistake in every call.
-- expect: error: attempt to index
rule "hostile.error_flood" {
  title = "hostile", severity = "info", on = "flow.classified",
  match = { l4 = { 6, 17 } },
  when = function(flow, params)
    return flow.host.nothing.there
  end,
}
