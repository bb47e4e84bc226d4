-- Patterns that each stay under their bound, in a loop.
-- expect: soft
rule "hostile.pattern_loop" {
  title = "hostile", severity = "info", on = "flow.classified",
  match = { host = "huggingface.co" },
  when = function(flow, params)
    local s = ("a"):rep(256)
    while true do pcall(s.find, s, ".-.-b") end
  end,
}
