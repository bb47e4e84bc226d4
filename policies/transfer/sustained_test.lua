-- So many connections, a minute apart, of half a MiB each.
local function send(t, count, more)
  for _ = 1, count do
    local values = { src_ip = "10.0.0.5", host = "api.openai.com", bytes_up = "512KiB" }
    for key, value in pairs(more or {}) do values[key] = value end
    t:flow(values):finish()
    t:wait "1m"
  end
end

test("10 MiB within an hour are reported", function(t)
  send(t, 19)
  t:nothing()
  send(t, 1)
  t:expect("ai.upload.sustained", { severity = "medium", type = "transfer", service = "openai-api",
    summary = "10.0.0.5 sent 10.0 MiB to OpenAI API / platform within 1h, in small pieces",
    details = { bytes_in_all = 10485760 } })
  t:only()
end)

test("the same over a day is not", function(t)
  for _ = 1, 8 do
    send(t, 15)
    t:wait "2h"
  end
  t:nothing()
end)

test("clients and services are counted apart", function(t)
  send(t, 15)
  send(t, 15, { src_ip = "10.0.0.6" })
  send(t, 15, { host = "api.anthropic.com" })
  t:nothing()
end)

test("a user's machines are counted together", function(t)
  send(t, 10, { user = "ada" })
  send(t, 10, { user = "ada", src_ip = "10.0.0.6" })
  t:expect("ai.upload.sustained", { user = "ada", summary = like "ada sent" })
end)

test("large ones are counted by themselves", function(t)
  send(t, 20, { bytes_up = "5MiB" })
  t:forbid "ai.upload.sustained"
end)

test("inferred names, shared hosts, other hosts, and flows that go on do not count", function(t)
  send(t, 30, { host_source = "inferred" })
  send(t, 30, { ["service.conclusive"] = false })
  send(t, 30, { host = "example.org" })
  local flow = t:flow { src_ip = "10.0.0.5", host = "api.openai.com", bytes_up = "512KiB" }
  for _ = 1, 30 do flow:update() end
  t:nothing()
end)

test("how much, and to whom, is for the parameters", function(t)
  t:params("ai.upload.sustained", { bytes = 1048576, sanctioned = set { "openai-api" } })
  send(t, 30)
  t:nothing()
  send(t, 2, { host = "api.anthropic.com" })
  t:expect("ai.upload.sustained", { service = "anthropic-api" })
end)

test("each client, user and service has its own finding", function(t)
  send(t, 20)
  send(t, 20, { src_ip = "10.0.0.6" })
  send(t, 20, { user = "ada" })
  send(t, 20, { user = "bob" })
  send(t, 20, { user = "bob", host = "api.anthropic.com" })
  t:expect("ai.upload.sustained"):times(5)
end)

test("an hour is one finding", function(t)
  send(t, 79) -- the first is told at the 20th
  t:expect "ai.upload.sustained"
  send(t, 1)
  t:expect("ai.upload.sustained"):times(2)
end)
