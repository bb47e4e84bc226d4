-- The catalogue gives service.* for the host, as it does for traffic.
local kinds = {
  { "agent", "coze.com" }, { "api", "api.openai.com" }, { "chat", "claude.ai" },
  { "coding", "api.githubcopilot.com" }, { "companion", "character.ai" }, { "gateway", "openrouter.ai" },
  { "hub", "huggingface.co" }, { "media", "elevenlabs.io" }, { "platform", "pinecone.io" },
  { "work", "perplexity.ai" },
}

for _, kind in ipairs(kinds) do
  local id, host = "ai.service." .. kind[1], kind[2]
  test(id .. " reports its services, and no other rule does", function(t)
    t:flow({ src_ip = "10.0.0.5", host = host }):classified()
    t:expect(id, { type = "service", host = host, source_ip = "10.0.0.5", action = "alert" })
    t:only()
  end)

  test(id .. " takes no look-up, inferred name, shared host or name that looks alike", function(t)
    t:flow({ host = host, host_source = "dns", dst_port = 53 }):classified()
    t:flow({ host = host, host_source = "inferred" }):classified()
    t:flow({ host = host, ["service.conclusive"] = false }):classified()
    t:flow({ host = "not" .. domain(host) }):classified()
    t:flow({ host = host .. ".evil.example" }):classified()
    t:forbid(id)
  end)
end

test("severity is that of the service's risk", function(t)
  t:flow({ host = "claude.ai" }):classified()
  t:expect("ai.service.chat", { severity = "medium", service = "claude", summary = like "Chat with Claude" })
  t:flow({ host = "claude.new" }):classified()
  t:expect("ai.service.chat", { severity = "low", service = "claude-alt" })
  t:flow({ host = "openaicom.imgix.net" }):classified()
  t:expect("ai.service.chat", { severity = "info", service = "openai-assets" })
end)

test("agents and gateways weigh a step more", function(t)
  t:flow({ host = "coze.com" }):classified()
  t:expect("ai.service.agent", { severity = "high", service = "coze" })
  t:flow({ host = "openrouter.ai" }):classified()
  t:expect("ai.service.gateway", { severity = "high", tags = "atlas:AML.T0040" })
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

test("a sanctioned service is not reported, others of its kind are", function(t)
  t:params("ai.service.chat", { sanctioned = set { "claude" } })
  t:flow({ host = "claude.ai" }):classified()
  t:nothing()
  t:flow({ host = "chatgpt.com" }):classified()
  t:expect("ai.service.chat", { service = "chatgpt" })
end)

test("from a risk tier on", function(t)
  t:params("ai.service.chat", { from_risk = "medium" })
  t:flow({ host = "openaicom.imgix.net" }):classified() -- low
  t:nothing()
  t:flow({ host = "claude.new" }):classified() -- medium
  t:flow({ host = "claude.ai" }):classified() -- high
  t:expect("ai.service.chat"):times(2)
end)

test("real traffic", function(t)
  t:capture "../../t/captures/tls_claude.ai_node.pcap"
  t:expect("ai.service.chat", { service = "claude" })
  t:only()
end)

test("real traffic of a browser, over QUIC", function(t)
  t:capture "../../t/captures/quic_chromium_gemini.pcap"
  t:expect("ai.service.chat", { service = "gemini" })
  t:only()
end)

test("real traffic to hosts that only look alike", function(t)
  t:capture "../../t/captures/neg_tls.pcap"
  t:capture "../../t/captures/neg_quic.pcap"
  t:nothing()
end)
