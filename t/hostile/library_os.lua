-- The library os.
-- expect: error: 'os' is not available
rule "hostile.library_os" {
  title = "hostile", severity = "info", on = "flow.classified",
  match = { host = "huggingface.co" },
  when = function(flow, params)
    return os.x
  end,
}
