-- A handle made by hand.
-- expect: harmless
rule "hostile.handle_forged" {
  title = "hostile", severity = "info", on = "flow.classified",
  match = { host = "huggingface.co" },
  when = function(flow, params)
    local forged = {}
    forged["(generation)"] = 1
    assert(forged.host == nil)
    assert(not pcall(pairs, forged))
    flow = nil
    return true
  end,
}
