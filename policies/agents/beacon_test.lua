-- A call, and after each of these seconds another; by night unless it is said otherwise.
local function calls(t, intervals, more)
  local values = { src_ip = "10.0.0.5", host = "api.openai.com", hour = 3, weekday = 2 }
  for key, value in pairs(more or {}) do values[key] = value end
  t:flow(values):tls()
  for _, interval in ipairs(intervals) do
    t:wait(interval)
    t:flow(values):tls()
  end
end

local function even(count)
  local list = {}
  for i = 1, count do list[i] = 300 + i % 3 * 20 end -- 300, 320 or 340 seconds
  return list
end

local uneven = { 30, 700, 45, 60, 15, 800, 120, 20, 600, 30, 90, 400, 25, 70, 500, 35 }

test("even intervals by night are reported once they are twelve", function(t)
  calls(t, even(11))
  t:forbid "ai.agent.beacon"
  calls(t, even(12), { src_ip = "10.0.0.6" })
  t:expect("ai.agent.beacon", { severity = "medium", service = "openai-api", source_ip = "10.0.0.6",
    summary = "10.0.0.6 called OpenAI API / platform 13 times within 2h, one call in 5m 20s",
    details = { calls = 13, interval_seconds = 320 } })
end)

test("people do not keep time", function(t)
  calls(t, uneven)
  t:forbid "ai.agent.beacon"
end)

test("by day on a working day anything may be even", function(t)
  calls(t, even(20), { hour = 14 })
  t:forbid "ai.agent.beacon"
end)

test("a weekend is like a night", function(t)
  calls(t, even(14), { hour = 14, weekday = 6 })
  t:expect "ai.agent.beacon"
end)

test("connections side by side are one call", function(t)
  local intervals = {}
  for i = 1, 28, 2 do intervals[i], intervals[i + 1] = 300, 2 end
  calls(t, intervals)
  t:expect "ai.agent.beacon"
end)

test("a long pause is no interval", function(t)
  local intervals = even(13)
  table.insert(intervals, 3, 3000)
  calls(t, intervals)
  t:expect "ai.agent.beacon"
end)

test("a slow beat that is even is beyond what it looks at", function(t)
  local intervals = {}
  for i = 1, 20 do intervals[i] = 1200 end
  calls(t, intervals)
  t:forbid "ai.agent.beacon"
end)

test("each service is counted by itself", function(t)
  calls(t, even(7))
  calls(t, even(7), { host = "api.anthropic.com" })
  t:forbid "ai.agent.beacon"
end)

test("chat, look-ups, inferred names and shared hosts are not for this rule", function(t)
  calls(t, even(14), { host = "claude.ai" })
  calls(t, even(14), { host_source = "dns" })
  calls(t, even(14), { host_source = "inferred" })
  calls(t, even(14), { ["service.conclusive"] = false })
  t:forbid "ai.agent.beacon"
end)

test("a night is one finding", function(t)
  calls(t, even(60))
  t:expect "ai.agent.beacon"
end)

test("clients, users and services have one each", function(t)
  calls(t, even(12))
  calls(t, even(12), { host = "api.anthropic.com" })
  calls(t, even(12), { src_ip = "10.0.0.6" })
  calls(t, even(12), { user = "ada" })
  calls(t, even(12), { user = "bob" })
  t:expect("ai.agent.beacon"):times(5)
end)

test("how many and how even is for the parameters", function(t)
  t:params("ai.agent.beacon", { intervals = 4, jitter = 2, longest = 1000 })
  calls(t, { 30, 700, 45, 60 })
  t:expect "ai.agent.beacon"
end)
