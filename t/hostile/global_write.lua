-- A global written from a function.
-- expect: error: not declared
rule "hostile.global_write" {
  title = "hostile", severity = "info", on = "flow.classified",
  match = { host = "huggingface.co" },
  when = function(flow, params)
    leak = flow
  end,
}
