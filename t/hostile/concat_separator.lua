-- table.concat with a huge separator.
-- expect: memory|soft
rule "hostile.concat_separator" {
  title = "hostile", severity = "info", on = "flow.classified",
  match = { host = "huggingface.co" },
  when = function(flow, params)
    local t = {}
    for i = 1, 1000 do t[i] = "x" end
    return table.concat(t, ("y"):rep(1048576))
  end,
}
