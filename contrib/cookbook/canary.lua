-- Finds   that a document was read by something that follows what stands in it: a name that nobody has a
--         reason to ask for is in each document ("see payroll-7f3a.canary.corp.example"), and an
--         assistant or agent that takes it up asks for it.
-- Misses  readers that only read. Behind a resolver of yours its address is seen: watch the side of the
--         clients.
-- Change  the zone, which has to be yours, and the names; make new ones for each document and tell
--         nobody.
policy { title = "Canary names in documents", version = "1" }

rule "cookbook.canary" {
  title = "Canary name asked for",
  severity = "high", type = "canary", confidence = 100,
  on = { "dns", "tls", "http" },
  match = { host = { suffix = "canary.corp.example" } },
  params = {
    documents = {
      ["payroll-7f3a"] = { title = "Payroll 2026", severity = "critical" },
      ["roadmap-91c2"] = { title = "Product roadmap", severity = "high" },
    },
  },
  finding = function(flow, params)
    local document = params.documents[labels(flow.host)[1]]
    return {
      severity = document and document.severity or "low", -- low: somebody tries names out
      summary = document and ("%s took up '%s'"):format(flow.src_ip, document.title)
        or ("%s asked for %s, which is in no document"):format(flow.src_ip, flow.host),
    }
  end,
  throttle = { by = { "src_ip", "host" }, every = "10m" },
  tags = { "canary" },
}
