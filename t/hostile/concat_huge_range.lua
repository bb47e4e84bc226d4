-- table.concat of a range that is not there.
-- expect: error: invalid value
rule "hostile.concat_huge_range" {
  title = "hostile", severity = "info", on = "flow.classified",
  match = { host = "huggingface.co" },
  when = function(flow, params)
    return table.concat({}, ",", 1, 2 ^ 31 - 1)
  end,
}
