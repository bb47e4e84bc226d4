-- A tail call of itself with a closure each time.
-- expect: soft
local function again() local f = function() end return again() end
rule "hostile.recursion_tail_interpreted" {
  title = "hostile", severity = "info", on = "flow.classified",
  match = { host = "huggingface.co" },
  when = function(flow, params)
    return again()
  end,
}
