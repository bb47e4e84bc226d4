-- table.remove at positions that are not there.
-- expect: harmless
rule "hostile.remove_far" {
  title = "hostile", severity = "info", on = "flow.classified",
  match = { host = "huggingface.co" },
  when = function(flow, params)
    local t = { 1, 2 }
    for _, at in ipairs { -1, 0, 3, 1e9, -1e9, 1e300 } do pcall(table.remove, t, at) end
    return #t <= 2
  end,
}
