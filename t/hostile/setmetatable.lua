-- An __index chain of its own.
-- expect: error: 'setmetatable' is not available
rule "hostile.setmetatable" {
  title = "hostile", severity = "info", on = "flow.classified",
  match = { host = "huggingface.co" },
  when = function(flow, params)
    return setmetatable({}, { __index = function(t, k) return t[k] end }).x
  end,
}
