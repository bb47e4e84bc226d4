-- A number that would be a complex cdata.
-- expect: refused: not allowed
local x = 0x1p4i
