-- Addresses by tostring.
-- expect: harmless
rule "hostile.address_tostring" {
  title = "hostile", severity = "info", on = "flow.classified",
  match = { host = "huggingface.co" },
  when = function(flow, params)
    for _, x in ipairs { {}, pcall, flow, params, function() end } do
      assert(not tostring(x):find("%d"), tostring(x))
    end
    return true
  end,
}
