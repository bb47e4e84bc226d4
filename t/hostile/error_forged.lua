-- An error message that looks like log lines, with colours.
-- expect: error: forged
rule "hostile.error_forged" {
  title = "hostile", severity = "info", on = "flow.classified",
  match = { host = "huggingface.co" },
  when = function(flow, params)
    error("\27[2J\n{\"level\":\"error\",\"message\":\"forged\"}\nrules_quarantined: 7\r\n")
  end,
}
