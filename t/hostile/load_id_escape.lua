-- An id with escapes for terminals.
-- expect: refused: id is a text
rule "hostile.\27[31m\n" { title = "x", severity = "info", on = "flow.end" }
