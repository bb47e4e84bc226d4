-- Numbers that would be cdata.
-- expect: refused: not allowed
local x = 1LL
