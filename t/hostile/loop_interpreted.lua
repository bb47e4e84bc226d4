-- An endless loop that stays in the interpreter: making a closure is not compiled.
-- expect: soft
rule "hostile.loop_interpreted" {
  title = "hostile", severity = "info", on = "flow.classified",
  match = { host = "huggingface.co" },
  when = function(flow, params)
    while true do local f = function() end end
  end,
}
