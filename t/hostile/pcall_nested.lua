-- pcall in pcall in pcall around an endless loop.
-- expect: soft
rule "hostile.pcall_nested" {
  title = "hostile", severity = "info", on = "flow.classified",
  match = { host = "huggingface.co" },
  when = function(flow, params)
    local function f() while true do local g = function() end end end
    for i = 1, 50 do
      local inner = f
      f = function() while true do pcall(inner) end end
    end
    f()
  end,
}
