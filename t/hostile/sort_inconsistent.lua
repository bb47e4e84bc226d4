-- A comparator that contradicts itself.
-- expect: harmless
rule "hostile.sort_inconsistent" {
  title = "hostile", severity = "info", on = "flow.classified",
  match = { host = "huggingface.co" },
  when = function(flow, params)
    local t = {}
    for i = 1, 1000 do t[i] = i * 7919 % 1000 end
    table.sort(t, function() return true end)
    return true
  end,
}
