-- Params that unfold to millions of tables.
-- expect: refused: 
local t = { 1 }
for depth = 1, 5 do
  local wide = {}
  for i = 1, 100 do wide[i] = t end
  t = wide
end
rule "hostile.load_params_wide" { title = "x", severity = "info", on = "flow.end", params = { t = t } }
