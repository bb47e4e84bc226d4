-- An error that is a function.
-- expect: error: raised a function
rule "hostile.error_function" {
  title = "hostile", severity = "info", on = "flow.classified",
  match = { host = "huggingface.co" },
  when = function(flow, params)
    error(function() while true do end end)
  end,
}
