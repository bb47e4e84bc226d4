-- Formats whose values do not fit.
-- expect: harmless
rule "hostile.format_wrong" {
  title = "hostile", severity = "info", on = "flow.classified",
  match = { host = "huggingface.co" },
  when = function(flow, params)
    for _, f in ipairs { "%d", "%c", "%x", "%e", "%q", "%i", "%", "%y", "%5", "%.", "%-+ #0d", "%l" } do
      pcall(string.format, f, {})
      pcall(string.format, f, 1 == nil)
      pcall(string.format, f)
    end
    return true
  end,
}
