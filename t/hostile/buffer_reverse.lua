-- Long texts turned round and about.
-- expect: soft|memory|hard
rule "hostile.buffer_reverse" {
  title = "hostile", severity = "info", on = "flow.classified",
  match = { host = "huggingface.co" },
  when = function(flow, params)
    local s = ("x"):rep(1048576)
    while true do s = (s .. "y"):reverse():upper():lower() end
  end,
}
