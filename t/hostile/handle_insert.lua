-- table.insert and remove on an event.
-- expect: error|harmless
rule "hostile.handle_insert" {
  title = "hostile", severity = "info", on = "flow.classified",
  match = { host = "huggingface.co" },
  when = function(flow, params)
    pcall(table.insert, flow, 1)
    pcall(table.remove, flow)
    pcall(table.sort, flow)
    assert(flow.host == "huggingface.co")
    return true
  end,
}
