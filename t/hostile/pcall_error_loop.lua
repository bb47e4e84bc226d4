-- Errors raised and caught without end.
-- expect: soft|hard
rule "hostile.pcall_error_loop" {
  title = "hostile", severity = "info", on = "flow.classified",
  match = { host = "huggingface.co" },
  when = function(flow, params)
    repeat until not pcall(error, "again") and false
  end,
}
