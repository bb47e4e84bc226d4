-- A loop that makes a new text each time.
-- expect: hard|soft
rule "hostile.loop_string" {
  title = "hostile", severity = "info", on = "flow.classified",
  match = { host = "huggingface.co" },
  when = function(flow, params)
    local n = 0
    while true do n = n + #tostring(n) end
  end,
}
