-- The metatable of texts.
-- expect: error: 'getmetatable' is not available
rule "hostile.metatable_string" {
  title = "hostile", severity = "info", on = "flow.classified",
  match = { host = "huggingface.co" },
  when = function(flow, params)
    getmetatable("").__index = function() return "gone" end
  end,
}
