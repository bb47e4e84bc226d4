-- A loop over a set.
-- expect: soft|hard
rule "hostile.loop_set" {
  title = "hostile", severity = "info", on = "flow.classified",
  match = { host = "huggingface.co" },
  params = { words = set { "a", "b" } },
  when = function(flow, params)
    while true do for k in pairs(params.words) do local f = function() return k end end end
  end,
}
