-- A local of the file grows with each event until nothing is left.
-- expect: harmless|error|memory|hard|soft
local kept = {}
rule "hostile.hoard" {
  title = "hostile", severity = "info", on = "flow.new",
  match = { l4 = { 6, 17 } },
  when = function(flow, params)
    kept[#kept + 1] = ("x"):rep(1048576) .. #kept
    for i = 1, 8 do kept[#kept + 1] = kept[#kept] .. i end
    return false
  end,
}
