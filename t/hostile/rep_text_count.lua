-- string.rep whose count is a text.
-- expect: error: at most
rule "hostile.rep_text_count" {
  title = "hostile", severity = "info", on = "flow.classified",
  match = { host = "huggingface.co" },
  when = function(flow, params)
    return ("x"):rep("2000000000")
  end,
}
