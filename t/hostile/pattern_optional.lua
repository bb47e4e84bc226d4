-- Choices that double with each letter.
-- expect: error: too many steps
rule "hostile.pattern_optional" {
  title = "hostile", severity = "info", on = "flow.classified",
  match = { host = "huggingface.co" },
  when = function(flow, params)
    local s = ("a"):rep(40)
    local at = s:find(("a?"):rep(40) .. "b")
    return at
  end,
}
