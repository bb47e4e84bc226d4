-- %f with a long set at each place.
-- expect: harmless|error: too many steps
rule "hostile.pattern_frontier" {
  title = "hostile", severity = "info", on = "flow.classified",
  match = { host = "huggingface.co" },
  when = function(flow, params)
    local at = (("a"):rep(8192)):find("%f[" .. ("bcdefghi"):rep(12) .. "]")
    return at == nil
  end,
}
