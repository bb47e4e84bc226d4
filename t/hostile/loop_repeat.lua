-- repeat ... until an upvalue that never changes.
-- expect: hard
local stop = false
rule "hostile.loop_repeat" {
  title = "hostile", severity = "info", on = "flow.classified",
  match = { host = "huggingface.co" },
  when = function(flow, params)
    repeat local x = flow.l4 until stop
  end,
}
