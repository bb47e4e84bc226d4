-- An event that is kept for the next call.
-- expect: error: this event is over
local kept
rule "hostile.handle_kept" {
  title = "hostile", severity = "info", on = "flow.classified",
  match = { host = "huggingface.co" },
  when = function(flow, params)
    local old = kept
    kept = flow
    return old and old.host ~= nil
  end,
}
