-- An endless loop among the declarations.
-- expect: refused: ran longer
while true do end
