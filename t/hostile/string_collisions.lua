-- Texts that differ only where a sparse hash does not look.
-- expect: harmless|soft
rule "hostile.string_collisions" {
  title = "hostile", severity = "info", on = "flow.classified",
  match = { host = "huggingface.co" },
  when = function(flow, params)
    local t = {}
    for i = 1, 500 do t[("a"):rep(20) .. ("%08d"):format(i) .. ("b"):rep(200)] = i end
    return true
  end,
}
