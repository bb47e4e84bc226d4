-- A format that is itself a mebibyte.
-- expect: harmless|error
rule "hostile.format_many" {
  title = "hostile", severity = "info", on = "flow.classified",
  match = { host = "huggingface.co" },
  when = function(flow, params)
    local made = (("%99.99f"):rep(200)):format(unpack((function() local t = {} for i = 1, 200 do t[i] = 1e308 end return t end)()))
    return #made > 0
  end,
}
