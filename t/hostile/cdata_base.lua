-- cdata by way of tonumber with a base.
-- expect: harmless
rule "hostile.cdata_base" {
  title = "hostile", severity = "info", on = "flow.classified",
  match = { host = "huggingface.co" },
  when = function(flow, params)
    for base = 2, 36 do
      local made = tonumber(("z"):rep(40), base)
      assert(made == nil or type(made) == "number")
    end
    return true
  end,
}
