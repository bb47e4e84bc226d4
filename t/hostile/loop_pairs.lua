-- pairs over a table that is filled while it is walked.
-- expect: harmless|error|soft|memory|hard
rule "hostile.loop_pairs" {
  title = "hostile", severity = "info", on = "flow.classified",
  match = { host = "huggingface.co" },
  when = function(flow, params)
    local t = { a = 1 }
    local n = 0
    for k in pairs(t) do n = n + 1 t[k .. "x"] = n end
  end,
}
