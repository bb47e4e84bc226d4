-- table.insert at the front of a long list, without end.
-- expect: soft|hard|memory
rule "hostile.insert_front" {
  title = "hostile", severity = "info", on = "flow.classified",
  match = { host = "huggingface.co" },
  when = function(flow, params)
    local t = {}
    for i = 1, 1e9 do table.insert(t, 1, i) end
  end,
}
