-- Loops in loops, without end.
-- expect: hard
rule "hostile.loop_nested" {
  title = "hostile", severity = "info", on = "flow.classified",
  match = { host = "huggingface.co" },
  when = function(flow, params)
    local n = 0
    for i = 1, math.huge do for k = 1, math.huge do n = n + i * k end end
  end,
}
