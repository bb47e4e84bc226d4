-- Names of AI services that were asked for: all that is seen of a service when its traffic goes
-- elsewhere, through a proxy, or has not begun.
policy {
  title = "AI service looked up in DNS", version = "1",
  description = "A look-up is not use: browsers resolve names of links before they are followed.",
}

rule "ai.dns.name" {
  title = "Name of an AI service looked up", severity = "info", type = "dns", confidence = 60,
  on = "dns",
  match = { service = { conclusive = true } },
  finding = function(flow)
    return { summary = ("Look-up of %s (%s)"):format(flow.dns.name, flow.service.name) }
  end,
  throttle = { by = { "src_ip", "dns.name" }, every = "1h" },
  indicator = 30,
  tags = { "atlas:AML.T0047" },
}
