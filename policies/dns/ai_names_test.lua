test("a look-up of an AI service is reported", function(t)
  t:dns { src_ip = "10.0.0.5", dns = { name = "api.openai.com" } }
  t:expect("ai.dns.name", { severity = "info", host = "api.openai.com", source_ip = "10.0.0.5",
    summary = like "Look-up of api.openai.com" })
  t:only()
end)

test("question, answer and each record type are one finding an hour", function(t)
  t:dns { dns = { name = "claude.ai" } }
  t:dns { dns = { name = "claude.ai", type = 28 } }
  t:dns { dns = { name = "claude.ai", response = true } }
  t:wait "59m"
  t:dns { dns = { name = "claude.ai" } }
  t:expect "ai.dns.name"
  t:dns { src_ip = "10.0.0.9", dns = { name = "claude.ai" } }
  t:expect("ai.dns.name", { source_ip = "10.0.0.9" })
  t:wait "1m"
  t:dns { dns = { name = "claude.ai" } }
  t:expect("ai.dns.name"):times(3)
end)

test("other names, and names that only look alike, are not", function(t)
  t:dns { dns = { name = "example.org" } }
  t:dns { dns = { name = "notclaude.ai" } }
  t:nothing()
end)

test("real traffic", function(t)
  t:capture "../../t/captures/neg_dns.pcap"
  t:nothing()
  t:capture "../../t/captures/dns_ai.pcap"
  t:expect("ai.dns.name", { host = "api.openai.com" })
end)
