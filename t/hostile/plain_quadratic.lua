-- A long text looked for in a long text.
-- expect: error: too long
rule "hostile.plain_quadratic" {
  title = "hostile", severity = "info", on = "flow.classified",
  match = { host = "huggingface.co" },
  when = function(flow, params)
    local at = (("a"):rep(1048576)):find(("a"):rep(524288) .. "b", 1, true)
    return at
  end,
}
