-- Finds   machines of one department at an AI service that is not on the department's list.
-- Misses  services that the catalogue does not know, hosts that carry other traffic too, names hidden by
--         ECH.
-- Change  the networks in `match`; the list in `params`, by ids of policies/catalogue/services.tsv.
policy { title = "AI services agreed with one department", version = "1" }

rule "cookbook.department_allow" {
  title = "AI service that the department has not agreed",
  severity = "medium", type = "service", confidence = 95,
  on = "flow.classified",
  match = {
    src_ip = { cidr = { "10.20.0.0/16", "fd00:20::/32" } },
    service = { conclusive = true }, host_source = { "sni", "http" },
  },
  params = { agreed = set { "mistral", "mistral-api", "github-copilot" } },
  when = function(flow, params) return not params.agreed[flow.service.id] end,
  finding = function(flow)
    return {
      severity = flow.service.risk == "high" and "high" or nil, -- nil leaves the rule's own
      summary = ("%s used %s of %s, which the department has not agreed"):format(
        flow.src_ip, flow.service.name, flow.service.vendor),
    }
  end,
  throttle = { by = { "src_ip", "service.id" }, every = "1d" },
}
