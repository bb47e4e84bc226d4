-- Finds   AI services reached directly, over QUIC or TCP, where all is to go through a proxy.
-- Misses  direct connections that the sensor does not see; names hidden by ECH.
-- Change  the proxies, and the networks that have to use them. Then the mode: with "observe" all is
--         tried and counted, and nothing reported; `replay --observed` shows it. Once it is quiet
--         enough, take `mode` out.
policy { title = "AI services past the proxy", version = "1", mode = "observe" }

local proxies = { "10.0.0.8", "10.0.0.9" }

rule "cookbook.past_proxy" {
  title = "AI service reached past the proxy",
  severity = "medium", confidence = 95,
  on = "tls", -- also the ClientHello in a QUIC handshake
  match = {
    service = { conclusive = true }, src_ip = "10.0.0.0/8",
    -- Through the proxy its address is the other end; and the proxy itself has to get out.
    none = { { dst_ip = proxies }, { src_ip = proxies } },
  },
  finding = function(flow)
    return {
      severity = flow.quic and "high" or nil, -- most proxies cannot look into QUIC at all
      summary = ("%s reached %s past the proxy, over %s"):format(
        flow.src_ip, flow.host, flow.quic and "QUIC" or "TCP"),
    }
  end,
  throttle = { by = { "src_ip", "service.id", "quic" }, every = "1h" },
  action = "block", -- what it will ask for; the mode lets no more than its own word pass
}
