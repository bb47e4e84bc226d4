-- table.insert at a position far from the list.
-- expect: error: not within the list
rule "hostile.insert_far" {
  title = "hostile", severity = "info", on = "flow.classified",
  match = { host = "huggingface.co" },
  when = function(flow, params)
    table.insert({}, -2 ^ 31, 1)
  end,
}
