-- A part of an event that is kept.
-- expect: error: this event is over
local kept
rule "hostile.handle_nested_kept" {
  title = "hostile", severity = "info", on = "flow.classified",
  match = { host = "huggingface.co" },
  when = function(flow, params)
    local old = kept
    kept = flow.service
    return old and old.id ~= nil
  end,
}
