-- gsub called from the function of gsub, with the same text.
-- expect: harmless
rule "hostile.gsub_reentry" {
  title = "hostile", severity = "info", on = "flow.classified",
  match = { host = "huggingface.co" },
  when = function(flow, params)
    local s = ("ab"):gsub(".", function(c) return (("xy"):gsub(".", function(d) return c .. d end)) end)
    assert(s == "axaybxby")
    return true
  end,
}
