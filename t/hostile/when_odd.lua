-- Odd answers of when: all but nil and false hold.
-- expect: harmless
rule "hostile.when_odd" {
  title = "hostile", severity = "info", on = "flow.classified",
  match = { host = "huggingface.co" },
  when = function(flow, params)
    return ({ 0, "", {}, params })[1]
  end,
}
