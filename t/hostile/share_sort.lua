-- table.sort of what is shared.
-- expect: error: takes a list
rule "hostile.share_sort" {
  title = "hostile", severity = "info", on = "flow.classified",
  match = { host = "huggingface.co" },
  params = { list = { 3, 1, 2 } },
  when = function(flow, params)
    table.sort(params.list)
  end,
}
