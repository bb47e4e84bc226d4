-- Addresses by format.
-- expect: harmless
rule "hostile.address_format" {
  title = "hostile", severity = "info", on = "flow.classified",
  match = { host = "huggingface.co" },
  when = function(flow, params)
    assert(not ("%s %s %s"):format({}, pcall, flow):find("%d"))
    assert(not ("%10.30s"):format({}):find("0x"))
    assert(not pcall(string.format, "%p", "text"))
    assert(not pcall(string.format, "%-20p", {}))
    assert(not pcall(string.format, "%%%p", {}))
    return true
  end,
}
