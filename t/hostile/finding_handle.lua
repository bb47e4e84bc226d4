-- A finding that is the event itself.
-- expect: error: unknown key
rule "hostile.finding_handle" {
  title = "hostile", severity = "info", on = "flow.classified",
  match = { host = "huggingface.co" },
  when = function(flow, params)
    return true
  end,
  finding = function(flow, params)
    return flow
  end,
}
