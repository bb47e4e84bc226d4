-- Numbers at the ends of their range.
-- expect: harmless
rule "hostile.numbers_odd" {
  title = "hostile", severity = "info", on = "flow.classified",
  match = { host = "huggingface.co" },
  when = function(flow, params)
    local inf, nan = 1 / 0, 0 / 0
    for _, x in ipairs { inf, -inf, nan, -0, 1e308, -1e308, 2 ^ 53, 5e-324 } do
      bytes(x)
      pcall(duration, x)
      tostring(x)
      math.floor(x)
      bit.tobit(x)
      pcall(string.char, x)
      pcall(string.sub, "text", x, x)
      pcall(string.byte, "text", x, x)
      pcall(select, x, 1, 2)
      pcall(unpack, { 1 }, x, x)
      pcall(math.fmod, x, x)
    end
    return true
  end,
}
