-- Finds   companion characters where none are wanted at all, as at a school: used, looked up, or
--         installed as an extension of a browser.
-- Misses  what the catalogue does not know; look-ups over encrypted DNS (coverage/gaps.lua tells of
--         those).
-- Change  the network; the category (list: policies/catalogue/README.md); the words for extensions. The
--         rule on `inventory` is for the sensors of `run` and `scan`; a replay has none.
policy { title = "No companion services here", version = "1" }

rule "cookbook.companions" {
  title = "Companion service on this network",
  severity = "high", type = "service", confidence = 95,
  on = { "dns", "flow.classified" },
  match = {
    src_ip = "10.30.0.0/16", service = { category = "companion", conclusive = true },
    -- A DNS flow is classified too, and bears the name: only its `dns` event is meant.
    any = { { event = "dns" }, { host_source = { "sni", "http" } } },
  },
  finding = function(flow)
    if flow.event ~= "dns" then return nil end
    return { severity = "low", summary = ("%s looked up %s"):format(flow.src_ip, flow.dns.name) }
  end,
  throttle = { by = { "src_ip", "service.id", "event" }, every = "1d" }, -- a look-up never hides use
  tags = { "policy:acceptable-use" },
}

local names = words { "character.ai", "replika", "companion", "girlfriend", "boyfriend" }

rule "cookbook.companions.extension" {
  title = "Companion extension installed", severity = "medium", confidence = 60,
  on = "inventory",
  match = { inventory = { kind = "extension", name = { set = true } } },
  when = function(flow) return names(lower(flow.inventory.name)) end,
  throttle = { by = { "user", "inventory.name" }, every = "7d" },
}
