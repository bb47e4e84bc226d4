-- Recursion through the function of gsub, which in stock LuaJIT uses the C stack.
-- expect: error|soft: overflow
rule "hostile.recursion_gsub" {
  title = "hostile", severity = "info", on = "flow.classified",
  match = { host = "huggingface.co" },
  when = function(flow, params)
    local function again(s) return (s:gsub(".", again)) end
    return again("x")
  end,
}
