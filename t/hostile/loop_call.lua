-- A loop that calls a function each time; the compiler puts it into the loop.
-- expect: hard
local n = 0
local function next_one() n = n + 1 end
rule "hostile.loop_call" {
  title = "hostile", severity = "info", on = "flow.classified",
  match = { host = "huggingface.co" },
  when = function(flow, params)
    while true do next_one() end
  end,
}
