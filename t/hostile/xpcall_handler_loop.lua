-- An error handler that does not come back.
-- expect: soft
rule "hostile.xpcall_handler_loop" {
  title = "hostile", severity = "info", on = "flow.classified",
  match = { host = "huggingface.co" },
  when = function(flow, params)
    xpcall(error, function() while true do local f = function() end end end)
  end,
}
