-- cdata by way of bit and a text.
-- expect: harmless
rule "hostile.cdata_bit" {
  title = "hostile", severity = "info", on = "flow.classified",
  match = { host = "huggingface.co" },
  when = function(flow, params)
    for _, text in ipairs { "1LL", "1ULL", "0x1p4", "1i", "9007199254740993" } do
      local good, number = pcall(bit.tobit, text)
      assert(not good or type(number) == "number")
      local made = tonumber(text)
      assert(made == nil or type(made) == "number")
      good, made = pcall(function() return text + 0 end)
      assert(not good or type(made) == "number")
    end
    return true
  end,
}
