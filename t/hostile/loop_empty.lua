-- An endless loop that the compiler turns into one jump.
-- expect: hard
rule "hostile.loop_empty" {
  title = "hostile", severity = "info", on = "flow.classified",
  match = { host = "huggingface.co" },
  when = function(flow, params)
    while true do end
  end,
}
