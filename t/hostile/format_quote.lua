-- %q of a text that quadruples, again and again.
-- expect: memory|soft|hard
rule "hostile.format_quote" {
  title = "hostile", severity = "info", on = "flow.classified",
  match = { host = "huggingface.co" },
  when = function(flow, params)
    local s = ("\0"):rep(100000)
    while true do s = ("%q"):format(s .. s) end
  end,
}
