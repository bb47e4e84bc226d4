-- A summary with escapes for terminals and bytes that are no text.
-- expect: harmless
rule "hostile.finding_escapes" {
  title = "hostile", severity = "info", on = "flow.classified",
  match = { host = "huggingface.co" },
  when = function(flow, params)
    return true
  end,
  finding = function(flow, params)
    return { summary = "\27[31mred\27[0m\r\n\0\7\255\254 \237\160\128 end", evidence = { "\27]0;title\7", "\192\128" },
      details = { ["\27[2J"] = "\0\255", name = ("\240\159\146"):rep(400) } }
  end,
}
