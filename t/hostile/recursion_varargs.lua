-- Recursion that doubles its arguments.
-- expect: error|soft: overflow
rule "hostile.recursion_varargs" {
  title = "hostile", severity = "info", on = "flow.classified",
  match = { host = "huggingface.co" },
  when = function(flow, params)
    local function more(...) return more(..., ...) end
    local function twice(...) return twice(1, unpack({ ... })) + 1 end
    return twice(more and 1)
  end,
}
