-- string.rep with a separator that makes it long.
-- expect: error: at most
rule "hostile.rep_separator" {
  title = "hostile", severity = "info", on = "flow.classified",
  match = { host = "huggingface.co" },
  when = function(flow, params)
    return ("x"):rep(1024, ("y"):rep(4096))
  end,
}
