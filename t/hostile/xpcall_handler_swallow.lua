-- A handler that hides why it was called.
-- expect: soft
rule "hostile.xpcall_handler_swallow" {
  title = "hostile", severity = "info", on = "flow.classified",
  match = { host = "huggingface.co" },
  when = function(flow, params)
    while true do
      xpcall(function() while true do local f = function() end end end, function() return nil end)
    end
  end,
}
