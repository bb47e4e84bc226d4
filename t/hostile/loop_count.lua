-- An endless loop of arithmetic, compiled.
-- expect: hard
rule "hostile.loop_count" {
  title = "hostile", severity = "info", on = "flow.classified",
  match = { host = "huggingface.co" },
  when = function(flow, params)
    local n = 0
    while true do n = n + 1 end
  end,
}
