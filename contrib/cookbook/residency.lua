-- Finds   AI services used at a place where data may not go: another region than the agreed one of a
--         service that has regions, or a name below a country's domain.
-- Misses  where data goes behind the name. A name says what its owner promises, an address says nothing.
-- Change  the regions: a line for each service; the countries.
policy { title = "Residency of data sent to AI services", version = "1" }

rule "cookbook.residency" {
  title = "AI service used outside of the agreed region",
  severity = "medium", type = "service", confidence = 85,
  on = "flow.classified",
  match = {
    host_source = { "sni", "http" },
    any = {
      -- `none` on a field compares whole values; the list `none` takes any condition.
      { host = { any = { "api.openai.com", "us.api.openai.com" } } },
      { service = { id = "amazon-bedrock" },
        none = { { host = { prefix = { "bedrock-runtime.eu-", "bedrock.eu-" } } } } },
      { service = { id = "vertex-ai" }, none = { { host = { prefix = "europe-" } } } },
      { service = { id = { set = true } }, host = { suffix = { "cn", "ru" } } },
    },
  },
  finding = function(flow)
    return {
      severity = flow.service.risk == "high" and "high" or nil,
      summary = ("%s used %s at %s, outside of the agreed region"):format(
        flow.src_ip, flow.service.name, flow.host),
      details = { registered = domain(flow.host) },
    }
  end,
  throttle = { by = { "src_ip", "host" }, every = "1d" },
  action = "coach", tags = { "policy:residency" },
}
