-- A file that takes all memory to the last byte and never gives it back, without an error of its own.
-- expect: harmless|error|memory|hard|soft
local kept
local n = 0
rule "hostile.hoard_last_byte" {
  title = "hostile", severity = "info", on = "flow.new",
  match = { l4 = { 6, 17 } },
  when = function(flow, params)
    for size = 20, 5, -1 do
      local text = ("x"):rep(2 ^ size)
      n = n + 1
      while pcall(function() kept = { kept, text .. n } end) do n = n + 1 end
    end
    while pcall(function() kept = { kept } end) do end
    return false
  end,
}
