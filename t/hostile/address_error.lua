-- Addresses in error messages.
-- expect: harmless
rule "hostile.address_error" {
  title = "hostile", severity = "info", on = "flow.classified",
  match = { host = "huggingface.co" },
  when = function(flow, params)
    local function said(f, ...) local _, m = pcall(f, ...) return tostring(m) end
    local t = {}
    for _, m in ipairs { said(function() return t .. "" end), said(function() return t < t end), said(function() return t() end),
      said(string.rep, t, 2), said(ipairs, pcall), said(error, t), said(assert, false, t), said(table.concat, { t }) } do
      assert(not m:find("0x"), m)
    end
    return true
  end,
}
