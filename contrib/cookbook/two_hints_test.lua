local function ask(t, dst_ip, path)
  t:http { src_ip = "10.0.0.5", dst_ip = dst_ip or "10.0.5.20", dst_port = 9000,
    http_method = "POST", http_path = path or "/v1/answers" }
end

local function stream(t, more)
  local values = { src_ip = "10.0.0.5", dst_ip = "10.0.5.20", dst_port = 9000,
    duration = "45s", bytes_up = "4k", bytes_down = "60k" }
  for name, value in pairs(more or {}) do values[name] = value end
  t:flow(values):finish()
end

test("two hints about one server make an alert", function(t)
  ask(t)
  stream(t)
  t:expect("cookbook.two_hints.path", { action = "observe" })
  t:expect("cookbook.two_hints.stream", { action = "observe" })
  t:expect("cookbook.two_hints", { severity = "low", ["details.indicators"] = 2,
    summary = "10.0.5.20 behaves like a model server, asked by 10.0.0.5" })
end)

test("one hint, however often, does not", function(t)
  for _ = 1, 5 do
    stream(t)
    t:wait "2h"
  end
  t:forbid "cookbook.two_hints"
end)

test("nor do hints about two servers, or days apart", function(t)
  ask(t, "10.0.5.21")
  stream(t)
  t:wait "3d"
  ask(t)
  t:forbid "cookbook.two_hints"
end)

test("what comes near is no hint", function(t)
  ask(t, nil, "/api/users")
  t:http { dst_ip = "10.0.5.20", http_path = "/v1/answers" } -- GET
  t:http { dst_ip = "203.0.113.9", http_method = "POST", http_path = "/v1/answers" }
  stream(t, { bytes_up = "30k" })
  stream(t, { duration = "5s" })
  stream(t, { bytes_down = "1GiB" })
  stream(t, { dst_port = 443 })
  stream(t, { dst_ip = "203.0.113.9" })
  t:forbid "cookbook.two_hints.path"
  t:forbid "cookbook.two_hints.stream"
end)

test("activities of other rules are theirs", function(t)
  t:event("activity", { activity = { subject = "claude", kind = "dns", confidence = 90, indicators = 2 } })
  t:forbid "cookbook.two_hints"
end)

test("one server is one finding a day, and each hint one an hour", function(t)
  for _ = 1, 2 do
    ask(t)
    stream(t)
  end
  t:flow({ src_ip = "10.0.0.6", dst_ip = "10.0.5.20", dst_port = 9000,
    duration = "45s", bytes_up = "4k", bytes_down = "60k" }):finish()
  t:http { src_ip = "10.0.0.6", dst_ip = "10.0.5.20", http_method = "POST",
    http_path = "/v1/answers" }
  t:expect "cookbook.two_hints"
  t:expect "cookbook.two_hints.path"
  t:expect "cookbook.two_hints.stream"
end)
