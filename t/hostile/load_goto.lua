-- A jump into a block that does not exist.
-- expect: refused: undefined label
goto nowhere
