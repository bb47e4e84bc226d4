-- A finalizer by newproxy.
-- expect: error: 'newproxy' is not available
rule "hostile.newproxy" {
  title = "hostile", severity = "info", on = "flow.classified",
  match = { host = "huggingface.co" },
  when = function(flow, params)
    return newproxy(true)
  end,
}
