-- geller-pa.googleapis.com serves Gemini and other products: by itself it proves little.
local shared, own = "geller-pa.googleapis.com", "gemini.google.com"

test("a look-up and a shared host together prove a use", function(t)
  t:dns { src_ip = "10.0.0.5", dns = { name = own } }
  t:forbid "ai.activity.use"
  t:flow({ src_ip = "10.0.0.5", host = shared }):classified()
  t:expect("ai.activity.use", { severity = "medium", confidence = 65, source_ip = "10.0.0.5",
    evidence = {
      "tls: " .. shared .. " (rule ai.service.observed)",
      "dns: " .. own .. " (rule ai.dns.name)",
    } })
end)

test("more of one kind does not", function(t)
  for _ = 1, 5 do
    t:dns { dns = { name = own } }
    t:dns { dns = { name = "aistudio.google.com" } }
  end
  for _ = 1, 5 do t:flow({ src_ip = "10.0.0.7", host = shared }):classified() end
  t:forbid "ai.activity.use"
end)

test("nor do two clients, or two services", function(t)
  t:dns { src_ip = "10.0.0.5", dns = { name = own } }
  t:flow({ src_ip = "10.0.0.6", host = shared }):classified()
  t:flow({ src_ip = "10.0.0.5", host = "copilotstudio.microsoft.com" }):classified()
  t:forbid "ai.activity.use"
end)

test("nor does evidence that is two days apart: what was seen fades", function(t)
  t:dns { dns = { name = own } }
  t:wait "2d"
  t:flow({ host = shared }):classified()
  t:forbid "ai.activity.use"
end)

test("what a rule has reported as conclusive is told once", function(t)
  t:dns { dns = { name = own } }
  t:flow({ host = own }):classified()
  t:expect "ai.service.chat"
  t:flow({ host = shared }):classified()
  t:forbid "ai.activity.use"
end)

test("a service or tool that is sanctioned is not told", function(t)
  t:params("ai.activity.use", { sanctioned = set { "gemini" } })
  t:dns { dns = { name = own } }
  t:flow({ host = shared }):classified()
  t:forbid "ai.activity.use"
end)

-- As the engine raises it.
local function activity(t, more)
  local values = { src_ip = "10.0.0.5", activity = { subject = "gemini", confidence = 65, indicators = 2,
    reported = false, conclusive = false } }
  for key, value in pairs(more or {}) do values.activity[key] = value end
  t:event("activity", values)
end

test("one indicator is enough when it is conclusive, and only then", function(t)
  activity(t, { indicators = 1, confidence = 99 })
  activity(t, { confidence = 59 })
  activity(t, { reported = true, conclusive = true, confidence = 100 })
  t:nothing()
  activity(t, { indicators = 1, confidence = 100, conclusive = true })
  t:expect "ai.activity.use"
end)

test("a client and subject are told once an hour", function(t)
  activity(t)
  t:wait "59m"
  activity(t)
  t:expect "ai.activity.use"
  activity(t, { subject = "claude" })
  t:event("activity", { src_ip = "10.0.0.6", activity = { subject = "gemini", confidence = 65, indicators = 2,
    reported = false } })
  t:event("activity", { src_ip = "10.0.0.5", user = "ada", activity = { subject = "gemini", confidence = 65,
    indicators = 2, reported = false } })
  t:expect("ai.activity.use"):times(4)
end)
