-- An error handler that fails, handled by itself.
-- expect: error|soft
rule "hostile.recursion_xpcall" {
  title = "hostile", severity = "info", on = "flow.classified",
  match = { host = "huggingface.co" },
  when = function(flow, params)
    local function handler() return xpcall(error, handler) + 1 end
    return xpcall(error, handler)
  end,
}
