-- Recursion through pcall: each level catches the overflow of the next and tries again.
-- expect: soft|hard|error
rule "hostile.recursion_pcall" {
  title = "hostile", severity = "info", on = "flow.classified",
  match = { host = "huggingface.co" },
  when = function(flow, params)
    local function down()
      pcall(down)
      pcall(down)
      return 1 + down()
    end
    return down()
  end,
}
