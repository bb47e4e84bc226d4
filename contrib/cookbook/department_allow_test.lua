test("a service that is not on the list is reported, once a day", function(t)
  local flow = t:flow { src_ip = "10.20.3.4", host = "api.cohere.com" }
  flow:classified()
  t:wait "23h"
  flow:classified()
  t:expect("cookbook.department_allow", { severity = "medium", source_ip = "10.20.3.4",
    summary = like "10.20.3.4 used Cohere" })
  t:wait "2h"
  flow:classified()
  t:expect("cookbook.department_allow"):times(2)
end)

test("one of high risk is graver", function(t)
  t:flow({ src_ip = "fd00:20::7", dst_ip = "2001:db8::1", host = "claude.ai" }):classified()
  t:expect("cookbook.department_allow", { severity = "high", service = "claude" })
end)

test("what is on the list is not, nor other networks, look-ups and other hosts", function(t)
  t:params("cookbook.department_allow", { agreed = set { "mistral-api" } })
  t:flow({ src_ip = "10.20.3.4", host = "api.mistral.ai" }):classified()
  t:flow({ src_ip = "10.21.3.4", host = "claude.ai" }):classified()
  t:flow({ src_ip = "10.20.3.4", host = "claude.ai", host_source = "dns" }):classified()
  t:flow({ src_ip = "10.20.3.4", host = "claude.ai.example.org" }):classified()
  t:forbid "cookbook.department_allow"
end)

test("the list is the department's own", function(t)
  t:params("cookbook.department_allow", { agreed = set { "claude" } })
  t:flow({ src_ip = "10.20.3.4", host = "claude.ai" }):classified()
  t:forbid "cookbook.department_allow"
  t:flow({ src_ip = "10.20.3.4", host = "api.mistral.ai" }):classified()
  t:expect("cookbook.department_allow", { service = "mistral-api" })
end)

test("each machine and each service is said by itself", function(t)
  t:flow({ src_ip = "10.20.3.4", host = "claude.ai" }):classified()
  t:flow({ src_ip = "10.20.3.5", host = "claude.ai" }):classified()
  t:flow({ src_ip = "10.20.3.4", host = "chatgpt.com" }):classified()
  t:expect("cookbook.department_allow"):times(3)
end)
