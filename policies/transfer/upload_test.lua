test("1 MiB on one connection is large", function(t)
  t:flow({ src_ip = "10.0.0.5", host = "claude.ai", bytes_up = "1MiB" }):finish()
  t:expect("ai.upload.large", { severity = "medium", type = "transfer", service = "claude",
    summary = "1.0 MiB sent to Claude at claude.ai", details = { bytes_up = 1048576 } })
  t:only()
end)

test("10 MiB are told again, as very large", function(t)
  local flow = t:flow { host = "claude.ai" }
  flow:update { bytes_up = "1.5MiB" }
  t:expect("ai.upload.large", { severity = "medium" })
  flow:update { bytes_up = "9.9MiB" }
  t:forbid "ai.upload.huge"
  flow:update { bytes_up = "10MiB" }
  t:expect("ai.upload.huge", { severity = "high", summary = like "10.0 MiB sent" })
  flow:finish { bytes_up = "12MiB" }
  t:only()
end)

test("a large one that ends at once is told once", function(t)
  t:flow({ host = "claude.ai", bytes_up = "30MiB" }):finish()
  t:expect "ai.upload.huge"
  t:only()
end)

test("less, downloads, shared hosts and other services are not uploads", function(t)
  t:flow({ host = "claude.ai", bytes_up = "1023k" }):finish()
  t:flow({ host = "claude.ai", bytes_down = "1GiB" }):finish()
  t:flow({ host = "claude.ai", bytes_up = "30MiB", ["service.conclusive"] = false }):finish()
  t:flow({ host = "example.org", bytes_up = "30MiB" }):finish()
  t:flow({ host = "example.org", bytes_up = "2MiB" }):finish()
  t:nothing()
end)

test("a name that was only inferred is observed", function(t)
  t:flow({ host = "claude.ai", host_source = "inferred", bytes_up = "2MiB" }):finish()
  t:expect("ai.upload.inferred", { severity = "medium", action = "observe" })
  t:forbid "ai.upload.large"
  t:flow({ src_ip = "10.0.0.9", host = "claude.ai", host_source = "inferred", bytes_up = "20MiB" }):update()
  t:expect("ai.upload.inferred", { source_ip = "10.0.0.9" })
  t:forbid "ai.upload.huge"
end)

test("a name that the client said, too few bytes and shared hosts are not inferred uploads", function(t)
  t:flow({ host = "claude.ai", bytes_up = "2MiB" }):finish()
  t:flow({ host = "claude.ai", host_source = "inferred", bytes_up = "1023k" }):finish()
  local shared = t:flow { host = "claude.ai", ["service.conclusive"] = false }
  shared:finish { host_source = "inferred", bytes_up = "2MiB" }
  t:forbid "ai.upload.inferred"
end)

test("sanctioned services may be given anything", function(t)
  t:params("ai.upload.large", { sanctioned = set { "claude" } })
  t:params("ai.upload.huge", { sanctioned = set { "claude" } })
  t:flow({ host = "claude.ai", bytes_up = "2MiB" }):finish()
  t:flow({ host = "claude.ai", bytes_up = "20MiB" }):finish()
  t:nothing()
  t:flow({ host = "chatgpt.com", bytes_up = "2MiB" }):finish()
  t:expect "ai.upload.large"
end)

test("an hour of one client and host is one finding of a kind", function(t)
  for _ = 1, 2 do
    t:flow({ host = "claude.ai", bytes_up = "2MiB" }):finish()
    t:flow({ host = "claude.ai", bytes_up = "20MiB" }):finish()
    t:flow({ host = "claude.ai", bytes_up = "2MiB", host_source = "inferred" }):finish()
    t:wait "59m"
  end
  t:expect "ai.upload.large"
  t:expect "ai.upload.huge"
  t:expect "ai.upload.inferred"
  t:wait "2m"
  t:flow({ host = "claude.ai", bytes_up = "2MiB" }):finish()
  t:expect("ai.upload.large", { ["details.suppressed"] = 1 })
end)

test("each client and host by itself", function(t)
  local function send(client, host)
    local flow = t:flow { src_ip = client, host = host, bytes_up = "2MiB" }
    flow:update()
    flow:finish { bytes_up = "20MiB" }
    t:flow({ src_ip = client, host = host, bytes_up = "2MiB", host_source = "inferred" }):finish()
  end
  send("10.0.0.5", "claude.ai")
  send("10.0.0.6", "claude.ai")
  send("10.0.0.5", "chatgpt.com")
  t:expect("ai.upload.large"):times(3)
  t:expect("ai.upload.huge"):times(3)
  t:expect("ai.upload.inferred"):times(3)
end)

test("a large download from a chat service, as captured, is not one", function(t)
  t:capture "../../t/captures/tls_bulk_mixed.pcap"
  t:forbid "ai.upload.large"
end)
