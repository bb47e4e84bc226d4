-- select over thousands of values, again and again.
-- expect: soft|hard
rule "hostile.select_flood" {
  title = "hostile", severity = "info", on = "flow.classified",
  match = { host = "huggingface.co" },
  when = function(flow, params)
    local function all(...)
      local n = 0
      for i = 1, select("#", ...) do n = n + #{ select(i, ...) } end
      return n
    end
    while true do all(unpack({}, 1, 3000)) end
  end,
}
