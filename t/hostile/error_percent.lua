-- An error message with formats in it.
-- expect: error: %n%s
rule "hostile.error_percent" {
  title = "hostile", severity = "info", on = "flow.classified",
  match = { host = "huggingface.co" },
  when = function(flow, params)
    error("%s%s%n%n%s".."%n%s")
  end,
}
