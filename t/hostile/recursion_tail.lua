-- A tail call of itself: no stack grows.
-- expect: hard
local function again(n) return again(n + 1) end
rule "hostile.recursion_tail" {
  title = "hostile", severity = "info", on = "flow.classified",
  match = { host = "huggingface.co" },
  when = function(flow, params)
    return again(1)
  end,
}
