-- Well-behaved for one call, endless in the next.
-- expect: hard
local calls = 0
rule "hostile.loop_late" {
  title = "hostile", severity = "info", on = "flow.classified",
  match = { host = "huggingface.co" },
  when = function(flow, params)
    calls = calls + 1
    local n = 0
    while calls > 1 do n = n + 1 end
  end,
}
