-- Patterns that are cut off in the middle.
-- expect: harmless
rule "hostile.pattern_malformed" {
  title = "hostile", severity = "info", on = "flow.classified",
  match = { host = "huggingface.co" },
  when = function(flow, params)
    for _, p in ipairs { "[", "[^", "[]", "[a-", "%", "%b", "%bx", "%f", "%f[", "(", ")", "(()", "%1", "[%", "[%a-", "a)", "(%1)" } do
      pcall(string.find, "some text", p)
      pcall(string.match, "some text", p)
      pcall(string.gsub, "some text", p, "%9")
    end
    return true
  end,
}
