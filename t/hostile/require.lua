-- A module by require.
-- expect: error: 'require' is not available
rule "hostile.require" {
  title = "hostile", severity = "info", on = "flow.classified",
  match = { host = "huggingface.co" },
  when = function(flow, params)
    return require("ffi").C.system("true")
  end,
}
