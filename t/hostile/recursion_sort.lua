-- Recursion through the comparator of sort.
-- expect: error|soft: stack overflow
rule "hostile.recursion_sort" {
  title = "hostile", severity = "info", on = "flow.classified",
  match = { host = "huggingface.co" },
  when = function(flow, params)
    local function order(a, b)
      table.sort({ 3, 2, 1 }, order)
      return a < b
    end
    table.sort({ 3, 2, 1 }, order)
  end,
}
