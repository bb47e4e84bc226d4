local function ask(t, times, more)
  local dns = { name = "chatgpt.com", type = 1, response = false }
  for name, value in pairs(more or {}) do dns[name] = value end
  for _ = 1, times do
    t:dns { src_ip = "10.0.0.5", dns = dns }
    t:wait "1m"
  end
end

test("the sixth look-up without a connection is reported", function(t)
  t:params("cookbook.lookups_only", { enough = 6 })
  ask(t, 5)
  t:forbid "cookbook.lookups_only"
  ask(t, 3)
  t:expect("cookbook.lookups_only", { severity = "low", type = "coverage",
    summary = "10.0.0.5 looked ChatGPT up 6 times in an hour and did not connect" })
end)

test("a connection within the hour explains them", function(t)
  t:params("cookbook.lookups_only", { enough = 6 })
  t:flow({ src_ip = "10.0.0.5", host = "chatgpt.com", host_source = "inferred" }):classified()
  t:expect("cookbook.lookups_only.used", { action = "observe" })
  ask(t, 8)
  t:forbid "cookbook.lookups_only"
end)

test("the flow of the look-up itself is no connection", function(t)
  t:params("cookbook.lookups_only", { enough = 6 })
  t:flow({ src_ip = "10.0.0.5", host = "chatgpt.com", host_source = "dns", dst_port = 53 }):classified()
  ask(t, 6)
  t:expect "cookbook.lookups_only"
end)

test("each machine and service is said once a day", function(t)
  t:params("cookbook.lookups_only", { enough = 1 })
  ask(t, 2)
  t:wait "20h"
  ask(t, 1)
  t:expect "cookbook.lookups_only"
  ask(t, 1, { name = "claude.ai" })
  t:dns { src_ip = "10.0.0.6", dns = { name = "chatgpt.com" } }
  t:expect("cookbook.lookups_only"):times(3)
end)

test("that of another machine, or long ago, does not", function(t)
  t:params("cookbook.lookups_only", { enough = 6 })
  t:flow({ src_ip = "10.0.0.6", host = "chatgpt.com" }):classified()
  t:flow({ src_ip = "10.0.0.5", host = "chatgpt.com" }):classified()
  t:wait "2h"
  ask(t, 6)
  t:expect "cookbook.lookups_only"
end)

test("answers, other types, other names and slow ones are not counted", function(t)
  t:params("cookbook.lookups_only", { enough = 6 })
  ask(t, 6, { response = true })
  ask(t, 6, { type = 65 })
  ask(t, 6, { name = "example.org" })
  for _ = 1, 6 do
    ask(t, 1)
    t:wait "15m"
  end
  for _ = 1, 6 do t:dns { src_ip = "10.0.0.53", dns = { name = "claude.ai", type = 1 } } end
  t:flow({ src_ip = "10.0.0.5", host = "example.org" }):classified()
  t:forbid "cookbook.lookups_only"
  t:forbid "cookbook.lookups_only.used"
end)
