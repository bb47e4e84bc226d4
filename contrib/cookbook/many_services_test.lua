local hosts = { "chatgpt.com", "claude.ai", "api.mistral.ai", "api.cohere.com", "chat.deepseek.com" }

test("the fifth vendor of a day is reported, whatever it was used over", function(t)
  t:params("cookbook.many_services", { usual = 4 })
  for i = 1, 4 do t:tls { src_ip = "10.0.0.5", host = hosts[i] } end
  t:tls { src_ip = "10.0.0.5", host = "api.openai.com" } -- another service of the first vendor
  t:forbid "cookbook.many_services"
  t:http { src_ip = "10.0.0.5", host = hosts[5] }
  t:expect("cookbook.many_services", { severity = "low", action = "coach", ["details.vendors"] = 5,
    summary = like "5 vendors in a day, the latest DeepSeek" })
end)

test("those of several machines, of several days and of no service are not added", function(t)
  t:params("cookbook.many_services", { usual = 4 })
  for i = 1, 5 do t:tls { src_ip = "10.0.0." .. i, host = hosts[i] } end
  for i = 1, 4 do t:tls { src_ip = "10.0.1.1", host = hosts[i] } end
  t:tls { src_ip = "10.0.1.1", host = "example.org" }
  t:wait "26h"
  t:tls { src_ip = "10.0.1.1", host = hosts[5] }
  t:forbid "cookbook.many_services"
end)

test("many more are graver", function(t)
  t:params("cookbook.many_services", { usual = 2 })
  for i = 1, 3 do t:tls { src_ip = "10.0.0.5", host = hosts[i] } end
  t:expect("cookbook.many_services", { severity = "low" })
  t:wait "7h"
  t:tls { src_ip = "10.0.0.5", host = hosts[4] }
  t:wait "7h"
  t:tls { src_ip = "10.0.0.5", host = hosts[5] }
  t:expect("cookbook.many_services", { severity = "medium", ["details.vendors"] = 5 })
end)

test("a machine is said once in six hours", function(t)
  t:params("cookbook.many_services", { usual = 1 })
  t:tls { src_ip = "10.0.0.5", host = hosts[1] }
  t:tls { src_ip = "10.0.0.5", host = hosts[2] }
  t:wait "5h"
  t:tls { src_ip = "10.0.0.5", host = hosts[3] }
  t:expect "cookbook.many_services"
end)
