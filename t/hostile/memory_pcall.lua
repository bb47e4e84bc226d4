-- Out of memory, caught, again and again.
-- expect: soft|memory|hard
rule "hostile.memory_pcall" {
  title = "hostile", severity = "info", on = "flow.classified",
  match = { host = "huggingface.co" },
  when = function(flow, params)
    local kept = {}
    while true do pcall(function() local s = ("x"):rep(1048576) while true do s = s .. s kept[#kept + 1] = s end end) end
  end,
}
