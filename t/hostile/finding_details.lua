-- More details than a finding holds.
-- expect: error: details hold at most
rule "hostile.finding_details" {
  title = "hostile", severity = "info", on = "flow.classified",
  match = { host = "huggingface.co" },
  when = function(flow, params)
    return true
  end,
  finding = function(flow, params)
    local t = {}
    for i = 1, 200 do t["key" .. i] = i end
    return { details = t }
  end,
}
