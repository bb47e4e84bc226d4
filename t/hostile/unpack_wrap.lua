-- unpack of a range whose length does not fit.
-- expect: harmless
rule "hostile.unpack_wrap" {
  title = "hostile", severity = "info", on = "flow.classified",
  match = { host = "huggingface.co" },
  when = function(flow, params)
    pcall(unpack, {}, -2 ^ 31, 2 ^ 31 - 1)
    pcall(unpack, {}, 2 ^ 31, 2 ^ 32)
    pcall(unpack, {}, 0 / 0, 1 / 0)
    return select("#", unpack({}, 1, 100)) == 100
  end,
}
