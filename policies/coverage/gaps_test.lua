test("an ECH service's public name hides another", function(t)
  t:flow({ host = "cloudflare-ech.com", hello = "ech" }):classified()
  t:expect("ai.coverage.ech", { severity = "info", type = "coverage", confidence = 80,
    summary = "The server name is encrypted; only cloudflare-ech.com is seen" })
  t:only()
end)

test("so does an encrypted name without any", function(t)
  t:flow({ hello = "ech", dst_ip = "198.51.100.7" }):classified()
  t:expect("ai.coverage.ech", { summary = like "only 198.51.100.7 is seen" })
  t:only()
end)

test("the extension alone is what browsers send to everybody", function(t)
  t:flow({ host = "example.org", hello = "ech" }):classified()
  t:expect("ai.coverage.ech_extension", { action = "observe" })
  t:flow({ hello = "ech", dst_ip = "192.168.1.1" }):classified()
  t:flow({ host = "example.org", hello = "sni" }):classified()
  t:flow({ host = "cloudflare-ech.com", host_source = "dns" }):classified()
  t:flow({ host = "notcloudflare-ech.com" }):classified()
  t:forbid "ai.coverage.ech"
  t:only()
end)

test("a resolver over HTTPS, by its name", function(t)
  t:flow({ host = "mozilla.cloudflare-dns.com" }):classified()
  t:expect("ai.coverage.encrypted_dns", { severity = "info",
    summary = "Encrypted DNS to mozilla.cloudflare-dns.com: names asked for are not seen" })
  t:only()
end)

test("a resolver over TLS or QUIC, by its port, once", function(t)
  t:flow({ host = "dns.google", dst_port = 853, hello = "sni", ndpi_app = "DoH_DoT" }):classified()
  t:expect "ai.coverage.encrypted_dns"
  t:only()
  t:flow({ src_ip = "10.0.0.6", dst_ip = "9.9.9.9", dst_port = 853, hello = "no_sni" }):classified()
  t:expect("ai.coverage.encrypted_dns", { summary = like "Encrypted DNS to 9.9.9.9" })
end)

test("a resolver by what nDPI makes of it", function(t)
  t:flow({ dst_ip = "198.51.100.7", dst_port = 784, ndpi_app = "DoH_DoT" }):classified()
  t:expect "ai.coverage.encrypted_dns"
end)

test("look-ups of resolvers' names, names alike, and other traffic on that port are none", function(t)
  t:flow({ host = "dns.google", host_source = "dns", dst_port = 53 }):classified()
  t:flow({ host = "dns.google", host_source = "inferred" }):classified()
  t:flow({ host = "notdns.google" }):classified()
  t:flow({ dst_port = 853 }):classified()
  t:flow({ dst_port = 8853, hello = "sni", host = "example.org" }):classified()
  t:nothing()
end)

test("an address of an AI service without a handshake", function(t)
  local flow = t:flow { host = "claude.ai", host_source = "inferred", dst_ip = "198.51.100.7" }
  flow:classified { hello = "missed" }
  t:expect("ai.coverage.unconfirmed", { severity = "low", service = "claude",
    summary = "198.51.100.7 is an address of Claude by an earlier look-up; its server name was not seen" })
  t:flow({ src_ip = "10.0.0.6", host = "claude.ai", host_source = "inferred", hello = "no_sni" }):finish()
  t:expect("ai.coverage.unconfirmed"):times(2)
end)

test("a handshake with a name, a name that was said, and shared hosts are no such gap", function(t)
  t:flow({ host = "claude.ai", host_source = "inferred", hello = "sni" }):classified()
  t:flow({ host = "claude.ai", hello = "missed" }):classified()
  t:flow({ host = "geller-pa.googleapis.com", host_source = "inferred", hello = "missed" }):classified()
  t:flow({ host = "example.org", host_source = "inferred", hello = "missed" }):finish()
  t:forbid "ai.coverage.unconfirmed"
end)

test("a client's gap is told once a day, an address once an hour", function(t)
  for _ = 1, 3 do
    t:flow({ host = "cloudflare-ech.com", hello = "ech" }):classified()
    t:flow({ host = "example.org", hello = "ech" }):classified()
    t:flow({ host = "dns.google" }):classified()
    t:flow({ host = "claude.ai", host_source = "inferred", hello = "missed" }):finish()
    t:wait "50m"
  end
  t:expect "ai.coverage.ech"
  t:expect "ai.coverage.ech_extension"
  t:expect "ai.coverage.encrypted_dns"
  t:expect("ai.coverage.unconfirmed"):times(2)
end)

test("each client by itself, and each service", function(t)
  for _, client in ipairs { "10.0.0.5", "10.0.0.6" } do
    t:flow({ src_ip = client, host = "cloudflare-ech.com", hello = "ech" }):classified()
    t:flow({ src_ip = client, host = "example.org", hello = "ech" }):classified()
    t:flow({ src_ip = client, host = "dns.google" }):classified()
    for _, host in ipairs { "claude.ai", "claude.ai", "chatgpt.com" } do
      t:flow({ src_ip = client, host = host, host_source = "inferred", hello = "missed" }):finish()
    end
  end
  t:expect("ai.coverage.ech"):times(2)
  t:expect("ai.coverage.ech_extension", { severity = "info" }):times(2)
  t:expect("ai.coverage.encrypted_dns"):times(2)
  t:expect("ai.coverage.unconfirmed"):times(4)
end)
