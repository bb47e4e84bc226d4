-- A table with keys far apart and huge.
-- expect: harmless
rule "hostile.table_keys" {
  title = "hostile", severity = "info", on = "flow.classified",
  match = { host = "huggingface.co" },
  when = function(flow, params)
    local t = {}
    t[2 ^ 53] = 1
    t[-2 ^ 53] = 2
    t[1e308] = 3
    t[-1 / 0] = 4
    t[0.5] = 5
    return #t == 0 and t[2 ^ 53] == 1
  end,
}
