-- The catalogue gives service.* for the host, as it does for traffic.
test("a chat service is reported with the severity of its risk", function(t)
  local flow = t:flow { src_ip = "10.0.0.5", host = "claude.ai" }
  flow:classified()
  t:expect("ai.service.chat", { severity = "medium", type = "service", service = "claude", host = "claude.ai",
    source_ip = "10.0.0.5", summary = like "Chat with Claude" })
  t:only()
end)

test("a service of lower risk is less grave", function(t)
  local low = t:flow { host = "claude.new" }
  low:classified()
  t:expect("ai.service.chat", { severity = "low", service = "claude-alt" })
  t:flow({ host = "openaicom.imgix.net" }):classified()
  t:expect("ai.service.chat", { severity = "info", service = "openai-assets" })
end)

test("a look-up, an inferred name and a service of another category are not chat", function(t)
  t:flow({ host = "claude.ai", host_source = "dns", dst_port = 53 }):classified()
  t:flow({ host = "claude.ai", host_source = "inferred" }):classified()
  t:flow({ host = "api.anthropic.com" }):classified()
  t:flow({ host = "example.org" }):classified()
  t:forbid "ai.service.chat"
end)

test("ten minutes of one client and host are one finding", function(t)
  local flow = t:flow { src_ip = "10.0.0.5", host = "claude.ai" }
  flow:classified()
  t:wait "9m"
  flow:classified()
  t:expect "ai.service.chat"
  t:flow({ src_ip = "10.0.0.6", host = "claude.ai" }):classified()
  t:expect("ai.service.chat", { source_ip = "10.0.0.6" })
  t:wait "2m"
  flow:classified()
  t:expect("ai.service.chat", { source_ip = "10.0.0.5", ["details.suppressed"] = 1 })
end)

test("real traffic", function(t)
  t:capture "../../t/captures/tls_claude.ai_node.pcap"
  t:expect("ai.service.chat", { service = "claude" })
end)
