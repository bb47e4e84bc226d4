-- The list on which a quicksort needs the square of its length, by a comparator that makes it up.
-- expect: soft|hard
rule "hostile.sort_killer" {
  title = "hostile", severity = "info", on = "flow.classified",
  match = { host = "huggingface.co" },
  when = function(flow, params)
    local n, value, solid, candidate = 16384, {}, 0, 1
    local index = {}
    for i = 1, n do value[i], index[i] = n, i end
    while true do
      table.sort(index, function(a, b)
        if value[a] == n and value[b] == n then
          local which = a == candidate and a or b
          value[which], solid = solid, solid + 1
        end
        if value[a] == n then candidate = a elseif value[b] == n then candidate = b end
        return value[a] < value[b]
      end)
    end
  end,
}
