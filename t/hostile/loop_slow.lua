-- A call that ends by itself, far beyond its limit.
-- expect: hard|soft
rule "hostile.loop_slow" {
  title = "hostile", severity = "info", on = "flow.classified",
  match = { host = "huggingface.co" },
  when = function(flow, params)
    local n = 0
    for i = 1, 1e12 do n = n + i % 7 end
    return n > 0
  end,
}
