-- Evidence of a million entries.
-- expect: error
rule "hostile.finding_huge" {
  title = "hostile", severity = "info", on = "flow.classified",
  match = { host = "huggingface.co" },
  when = function(flow, params)
    return true
  end,
  finding = function(flow, params)
    local t = {}
    for i = 1, 20000 do t[i] = "x" end
    return { evidence = t }
  end,
}
