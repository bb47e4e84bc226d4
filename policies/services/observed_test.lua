-- geller-pa.googleapis.com serves Gemini and other products.
local shared = "geller-pa.googleapis.com"

test("a shared host is evidence, and no alert", function(t)
  t:flow({ host = shared }):classified()
  t:expect("ai.service.observed", { severity = "info", action = "observe", service = "gemini" })
  t:only()
end)

test("so is a host that is weakly sourced", function(t)
  t:flow({ host = "copilotstudio.microsoft.com" }):classified()
  t:expect("ai.service.observed", { action = "observe", service = "copilot-studio" })
  t:only()
end)

test("a conclusive host is not for this rule, nor is a look-up", function(t)
  t:flow({ host = "claude.ai" }):classified()
  t:flow({ host = shared, host_source = "dns" }):classified()
  t:flow({ host = shared, host_source = "inferred" }):classified()
  t:flow({ host = "example.org" }):classified()
  t:forbid "ai.service.observed"
end)

test("a name that was only inferred is observed", function(t)
  t:flow({ host = "claude.ai", host_source = "inferred", hello = "sni" }):classified()
  t:expect("ai.service.inferred", { severity = "info", action = "observe", service = "claude" })
  t:only()
end)

test("a name that the client said is not inferred, and a shared host proves too little", function(t)
  t:flow({ host = "claude.ai" }):classified()
  t:flow({ host = "claude.ai", host_source = "dns" }):classified()
  t:flow({ host = shared, host_source = "inferred" }):classified()
  t:forbid "ai.service.inferred"
end)

test("an hour of one client and host is counted once", function(t)
  t:flow({ host = shared }):classified()
  t:flow({ host = "claude.ai", host_source = "inferred" }):classified()
  t:wait "59m"
  t:flow({ host = shared }):classified()
  t:flow({ host = "claude.ai", host_source = "inferred" }):classified()
  t:expect "ai.service.observed"
  t:expect "ai.service.inferred"
  t:flow({ host = shared, src_ip = "10.0.0.9" }):classified()
  t:flow({ host = "claude.ai", host_source = "inferred", src_ip = "10.0.0.9" }):classified()
  t:flow({ host = "copilotstudio.microsoft.com" }):classified()
  t:flow({ host = "chatgpt.com", host_source = "inferred" }):classified()
  t:expect("ai.service.observed"):times(3)
  t:expect("ai.service.inferred"):times(3)
end)
