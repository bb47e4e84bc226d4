-- The error of the soft limit caught, compared and thrown again.
-- expect: soft
rule "hostile.error_budget" {
  title = "hostile", severity = "info", on = "flow.classified",
  match = { host = "huggingface.co" },
  when = function(flow, params)
    local good, caught
    while true do
      good, caught = pcall(function() while true do local f = function() end end end)
      if caught then pcall(error, caught) end
    end
  end,
}
