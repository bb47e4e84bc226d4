-- A condition with a hundred thousand values.
-- expect: refused: 
local t = {}
for i = 1, 100000 do t[i] = "host" .. i end
rule "hostile.load_match_huge" { title = "x", severity = "info", on = "flow.end", match = { host = t } }
