-- An endless loop among the declarations, with its error caught.
-- expect: refused: ran longer
while true do pcall(function() while true do end end) end
