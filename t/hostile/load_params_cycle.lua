-- Params that hold themselves.
-- expect: refused: params.t: holds
local t = {}
t.t = t
rule "hostile.load_params_cycle" { title = "x", severity = "info", on = "flow.end", params = t }
