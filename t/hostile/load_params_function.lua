-- A function among the params.
-- expect: refused: params.f: holds
rule "hostile.load_params_function" { title = "x", severity = "info", on = "flow.end", params = { f = error } }
