-- An error message of a mebibyte.
-- expect: error: xxxx
rule "hostile.error_huge" {
  title = "hostile", severity = "info", on = "flow.classified",
  match = { host = "huggingface.co" },
  when = function(flow, params)
    error(("x"):rep(1048576))
  end,
}
