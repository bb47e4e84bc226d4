-- The library ffi.
-- expect: error: 'ffi' is not available
rule "hostile.library_ffi" {
  title = "hostile", severity = "info", on = "flow.classified",
  match = { host = "huggingface.co" },
  when = function(flow, params)
    return ffi.x
  end,
}
