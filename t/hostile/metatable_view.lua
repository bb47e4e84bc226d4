-- The metatable of the read-only views.
-- expect: error: 'getmetatable' is not available
rule "hostile.metatable_view" {
  title = "hostile", severity = "info", on = "flow.classified",
  match = { host = "huggingface.co" },
  when = function(flow, params)
    return getmetatable(params).__index
  end,
}
