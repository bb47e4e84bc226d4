test("TCP and QUIC past the proxy are found, and by the mode only observed", function(t)
  t:tls { src_ip = "10.1.2.3", host = "claude.ai" }
  t:expect("cookbook.past_proxy", { severity = "medium", action = "observe",
    summary = "10.1.2.3 reached claude.ai past the proxy, over TCP" })
  t:tls { src_ip = "10.1.2.3", host = "claude.ai", l4 = 17, quic = true }
  t:expect("cookbook.past_proxy", { severity = "high", summary = like "over QUIC" })
end)

test("through the proxy, from the proxy and from other networks is as it should be", function(t)
  t:tls { src_ip = "10.1.2.3", dst_ip = "10.0.0.8", dst_port = 3128, host = "claude.ai" }
  t:tls { src_ip = "10.0.0.9", host = "claude.ai" }
  t:tls { src_ip = "192.168.1.2", host = "claude.ai" }
  t:tls { src_ip = "10.1.2.3", host = "example.org" }
  t:forbid "cookbook.past_proxy"
end)

test("each machine and service is said once an hour", function(t)
  t:tls { src_ip = "10.1.2.3", host = "claude.ai" }
  t:wait "50m"
  t:tls { src_ip = "10.1.2.3", host = "claude.ai" }
  t:expect "cookbook.past_proxy"
  t:tls { src_ip = "10.1.2.3", host = "chatgpt.com" }
  t:tls { src_ip = "10.1.2.4", host = "claude.ai" }
  t:expect("cookbook.past_proxy"):times(3)
end)
