-- Declarations that take all memory.
-- expect: refused
local t = {}
for i = 1, 1e9 do t[i] = { { i } } end
rule "hostile.load_memory" { title = "x", severity = "info", on = "flow.end" }
