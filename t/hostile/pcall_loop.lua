-- pcall around an endless loop, in a loop.
-- expect: soft
rule "hostile.pcall_loop" {
  title = "hostile", severity = "info", on = "flow.classified",
  match = { host = "huggingface.co" },
  when = function(flow, params)
    while true do
      pcall(function() while true do local f = function() end end end)
    end
  end,
}
