-- The library package.
-- expect: error: 'package' is not available
rule "hostile.library_package" {
  title = "hostile", severity = "info", on = "flow.classified",
  match = { host = "huggingface.co" },
  when = function(flow, params)
    return package.x
  end,
}
