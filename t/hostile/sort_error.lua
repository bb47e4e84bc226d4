-- A comparator that fails in the middle.
-- expect: error: no order
rule "hostile.sort_error" {
  title = "hostile", severity = "info", on = "flow.classified",
  match = { host = "huggingface.co" },
  when = function(flow, params)
    local n = 0
    table.sort({ 5, 4, 3, 2, 1 }, function() n = n + 1 if n > 3 then error("no order") end return false end)
  end,
}
