-- An event used as a text, a list and a number.
-- expect: harmless
rule "hostile.handle_concat" {
  title = "hostile", severity = "info", on = "flow.classified",
  match = { host = "huggingface.co" },
  when = function(flow, params)
    assert(not pcall(function() return flow .. "" end))
    assert(not pcall(function() return flow + 1 end))
    assert(#flow == 0)
    assert(not pcall(table.concat, flow, ",", 1, 1))
    assert(not pcall(unpack, flow) or true)
    return true
  end,
}
