-- Evidence that proves little by itself, added up: a look-up, a host that is shared with other traffic, a
-- request that looks like one to a model. Two independent kinds about one service, or one conclusive one.
policy {
  title = "AI use shown by several indicators", version = "2",
  description = "Alerts only where no rule has reported a conclusive indicator of the same activity by " ..
    "itself: one thing, one alert. Which rules are indicators stands in their files.",
}

rule "ai.activity.use" {
  title = "AI use shown by independent indicators",
  severity = "medium", type = "activity",
  on = "activity",
  match = { activity = { confidence = { min = 60 }, reported = false } },
  params = { sanctioned = set {} }, -- ids of services and tools, labels such as "Ollama"
  when = function(flow, params)
    local activity = flow.activity
    return not params.sanctioned[activity.subject] and (activity.indicators >= 2 or activity.conclusive)
  end,
  throttle = { by = { "src_ip", "user", "activity.subject" }, every = "1h" },
  tags = { "atlas:AML.T0047" },
}
