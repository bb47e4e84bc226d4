-- Recursion without end.
-- expect: error|soft: stack overflow
local function deep(n) return 1 + deep(n + 1) end
rule "hostile.recursion_deep" {
  title = "hostile", severity = "info", on = "flow.classified",
  match = { host = "huggingface.co" },
  when = function(flow, params)
    return deep(1)
  end,
}
