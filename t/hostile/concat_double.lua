-- A text that doubles.
-- expect: memory|soft
rule "hostile.concat_double" {
  title = "hostile", severity = "info", on = "flow.classified",
  match = { host = "huggingface.co" },
  when = function(flow, params)
    local s = "x"
    while true do s = s .. s end
  end,
}
