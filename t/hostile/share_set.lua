-- Writing to a set.
-- expect: error: a set is read-only
rule "hostile.share_set" {
  title = "hostile", severity = "info", on = "flow.classified",
  match = { host = "huggingface.co" },
  params = { words = set { "a" } },
  when = function(flow, params)
    params.words.c = true
  end,
}
