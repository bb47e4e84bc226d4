-- An error object that is a table with __tostring.
-- expect: error: raised a table
rule "hostile.error_table" {
  title = "hostile", severity = "info", on = "flow.classified",
  match = { host = "huggingface.co" },
  when = function(flow, params)
    error({ __tostring = function() while true do end end })
  end,
}
