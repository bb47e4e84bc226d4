-- A table that grows without end.
-- expect: memory|soft
rule "hostile.table_growth" {
  title = "hostile", severity = "info", on = "flow.classified",
  match = { host = "huggingface.co" },
  when = function(flow, params)
    local t = {}
    for i = 1, 1e9 do t[i] = { i } end
  end,
}
