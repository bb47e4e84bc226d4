-- Bytecode of a function, by the method of a text.
-- expect: error: dump
rule "hostile.string_dump_method" {
  title = "hostile", severity = "info", on = "flow.classified",
  match = { host = "huggingface.co" },
  when = function(flow, params)
    return ("").dump(function() end)
  end,
}
