local function flow(t, src_ip) t:flow({ src_ip = src_ip or "10.1.2.3" }):new() end
local function timer(t) t:event("timer", {}) end

test("a network that stops is reported, once an hour, and its return too", function(t)
  flow(t)
  t:wait "5m"
  timer(t)
  t:forbid "cookbook.silence"
  t:wait "8m"
  flow(t, "10.2.2.3")
  timer(t)
  t:wait "1m"
  timer(t)
  t:expect("cookbook.silence", { severity = "medium", type = "coverage", summary = like "for 10 minutes" })
  t:wait "26m"
  flow(t)
  t:expect("cookbook.silence.over", { severity = "info",
    summary = "Network Berlin sends again, after 40m 0s" })
  timer(t)
  t:expect "cookbook.silence"
end)

test("a network that was never there, or not for a day, is not missed", function(t)
  flow(t, "10.2.2.3")
  timer(t)
  flow(t)
  t:wait "27h"
  timer(t)
  t:forbid "cookbook.silence"
end)

test("usual pauses are no silence", function(t)
  for _ = 1, 5 do
    flow(t)
    t:wait "9m"
    timer(t)
  end
  t:forbid "cookbook.silence"
  t:forbid "cookbook.silence.over"
end)

test("what is usual is a param", function(t)
  t:params("cookbook.silence.over", { pause = 60 })
  flow(t)
  t:wait "2m"
  flow(t)
  t:expect "cookbook.silence.over"
end)
