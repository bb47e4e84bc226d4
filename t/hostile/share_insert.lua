-- table.insert into what is shared.
-- expect: error: table expected
rule "hostile.share_insert" {
  title = "hostile", severity = "info", on = "flow.classified",
  match = { host = "huggingface.co" },
  when = function(flow, params)
    table.insert(string, 1)
  end,
}
