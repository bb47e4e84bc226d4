-- A compiled loop that reads the event each time.
-- expect: hard
rule "hostile.loop_field" {
  title = "hostile", severity = "info", on = "flow.classified",
  match = { host = "huggingface.co" },
  when = function(flow, params)
    local n = 0
    while true do if flow.dst_port == 0 then n = n + 1 end end
  end,
}
