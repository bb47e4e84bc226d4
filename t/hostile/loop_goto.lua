-- A loop by goto.
-- expect: hard
rule "hostile.loop_goto" {
  title = "hostile", severity = "info", on = "flow.classified",
  match = { host = "huggingface.co" },
  when = function(flow, params)
    local n = 0
    ::again::
    n = n + 1
    goto again
  end,
}
