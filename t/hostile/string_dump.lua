-- Bytecode of a function.
-- expect: error: dump
rule "hostile.string_dump" {
  title = "hostile", severity = "info", on = "flow.classified",
  match = { host = "huggingface.co" },
  when = function(flow, params)
    return string.dump(function() end)
  end,
}
