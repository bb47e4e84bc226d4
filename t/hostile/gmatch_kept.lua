-- An iterator of gmatch that is kept from one event to the next.
-- expect: harmless
local kept
rule "hostile.gmatch_kept" {
  title = "hostile", severity = "info", on = "flow.classified",
  match = { host = "huggingface.co" },
  when = function(flow, params)
    kept = kept or ("a b c d e f g h"):gmatch("%a")
    local word = kept()
    assert(word == nil or #word == 1)
    return true
  end,
}
