-- Millions of different texts.
-- expect: soft|hard|memory
rule "hostile.string_flood" {
  title = "hostile", severity = "info", on = "flow.classified",
  match = { host = "huggingface.co" },
  when = function(flow, params)
    local t = {}
    for i = 1, 1e9 do t[i] = "text " .. i end
  end,
}
