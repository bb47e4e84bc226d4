-- unpack of a huge range.
-- expect: error: too many results
rule "hostile.unpack_huge" {
  title = "hostile", severity = "info", on = "flow.classified",
  match = { host = "huggingface.co" },
  when = function(flow, params)
    return unpack({}, 1, 1e8)
  end,
}
