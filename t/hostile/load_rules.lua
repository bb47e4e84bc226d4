-- Five thousand rules in one file.
-- expect: refused: too many rules
for i = 1, 5000 do rule("hostile.many" .. i) { title = "x", severity = "info", on = "flow.end" } end
