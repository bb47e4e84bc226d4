-- NaN as a key.
-- expect: error: NaN
rule "hostile.table_nan" {
  title = "hostile", severity = "info", on = "flow.classified",
  match = { host = "huggingface.co" },
  when = function(flow, params)
    local t = {}
    t[0 / 0] = 1
  end,
}
