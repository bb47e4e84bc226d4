local function send(t, host, more)
  local values = { host = host, http_method = "POST", http_path = "/v1/chat", credential = "openai" }
  for name, value in pairs(more or {}) do values[name] = value end
  t:http(values)
end

test("a key to an unknown host is reported, with who registered it", function(t)
  send(t, "api.cheap-tokens.example")
  t:expect("cookbook.key_to_stranger", { severity = "high",
    summary = "Key of kind openai sent to api.cheap-tokens.example, which nobody knows",
    details = { registered = "cheap-tokens.example", credential = "openai" } })
end)

test("a name by chance is graver, a long one of words is not", function(t)
  send(t, "q7x9v2k8z1m4w6t3.example.net")
  t:expect("cookbook.key_to_stranger", { severity = "critical" })
  send(t, "model-gateway.example.net")
  t:expect("cookbook.key_to_stranger", { severity = "high", host = "model-gateway.example.net" })
end)

test("an address without a name is a stranger too", function(t)
  send(t, nil)
  t:expect("cookbook.key_to_stranger", { severity = "high", summary = like "203.0.113.10" })
end)

test("the service itself, one's own and requests without a key are not", function(t)
  send(t, "api.openai.com")
  send(t, "gateway.corp.example")
  send(t, "localhost", { dst_ip = "127.0.0.1" })
  send(t, "gateway", { dst_ip = "10.0.5.10" })
  t:http { host = "api.cheap-tokens.example" }
  t:forbid "cookbook.key_to_stranger"
end)

test("what counts as random is a param", function(t)
  t:params("cookbook.key_to_stranger", { random = 1 })
  send(t, "api.cheap-tokens.example")
  t:expect("cookbook.key_to_stranger", { severity = "critical" })
end)

test("one key from one machine to one host is said once an hour", function(t)
  send(t, "a.example")
  t:wait "50m"
  send(t, "a.example")
  t:expect "cookbook.key_to_stranger"
  send(t, "b.example")
  send(t, "a.example", { src_ip = "10.0.0.9" })
  send(t, "a.example", { dst_ip = "203.0.113.99" })
  send(t, "a.example", { credential = "anthropic" })
  t:expect("cookbook.key_to_stranger"):times(5)
end)
