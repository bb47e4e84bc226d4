-- An id of a mebibyte.
-- expect: refused: id is a text
rule(("x"):rep(1048576)) { title = "x", severity = "info", on = "flow.end" }
