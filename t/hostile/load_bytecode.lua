-- Bytecode instead of text.
-- expect: refused: 
LJ
