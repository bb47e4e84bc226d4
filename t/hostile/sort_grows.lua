-- A comparator that changes the list that is sorted.
-- expect: harmless|error
rule "hostile.sort_grows" {
  title = "hostile", severity = "info", on = "flow.classified",
  match = { host = "huggingface.co" },
  when = function(flow, params)
    local t = {}
    for i = 1, 200 do t[i] = (i * 37) % 200 end
    table.sort(t, function(a, b) t[#t + 1] = a t[1] = nil return (a or 0) < (b or 0) end)
    return true
  end,
}
