-- Finds   a key of an AI service that goes, in clear text, to a host that is neither a known AI service
--         nor yours: a key that leaks, or a relay that collects keys. The kind of key is seen, never the
--         key.
-- Misses  keys inside TLS.
-- Change  your own names, which may be gateways; the networks behind them.
policy { title = "AI key sent to an unknown host", version = "1" }

rule "cookbook.key_to_stranger" {
  title = "AI service key sent to an unknown host",
  severity = "high", type = "credential", confidence = 85,
  on = "http",
  match = {
    credential = { set = true }, service = { id = { set = false } },
    none = {
      { host = { suffix = "corp.example" } }, { dst_ip = { cidr = { "127.0.0.0/8", "::1", "10.0.0.0/8" } } },
    },
  },
  params = { random = 3.5 }, -- bits a byte: names that people choose stay below
  finding = function(flow, params)
    local first = labels(flow.host)
    local bits = first and entropy(first[1]) or 0
    return {
      severity = bits > params.random and "critical" or nil,
      summary = ("Key of kind %s sent to %s, which nobody knows"):format(
        flow.credential, flow.host or flow.dst_ip),
      details = { registered = domain(flow.host), entropy = bits },
    }
  end,
  throttle = { by = { "src_ip", "host", "dst_ip", "credential" }, every = "1h" },
  tags = { "atlas:AML.T0055" },
}
