-- ipairs over a list that grows in front of it.
-- expect: soft|memory
rule "hostile.loop_ipairs" {
  title = "hostile", severity = "info", on = "flow.classified",
  match = { host = "huggingface.co" },
  when = function(flow, params)
    local list = { 1 }
    for i in ipairs(list) do list[i + 1] = { i } end
  end,
}
