-- A list that is longer than what is sorted.
-- expect: error: at most
rule "hostile.sort_large" {
  title = "hostile", severity = "info", on = "flow.classified",
  match = { host = "huggingface.co" },
  when = function(flow, params)
    local t = {}
    for i = 1, 16385 do t[i] = i end
    table.sort(t)
  end,
}
