-- Hour and weekday are said, not worked out from the clock: so the tests hold in any time zone.
local function use(t, hour, weekday, src_ip)
  t:flow({ src_ip = src_ip or "10.0.0.5", host = "api.openai.com", hour = hour, weekday = weekday })
    :classified()
end

test("use at night alone is reported", function(t)
  use(t, 3, 2)
  t:expect("cookbook.night_only", { severity = "medium", host = "api.openai.com",
    summary = "10.0.0.5 used OpenAI API / platform after 3:00, and not by day in a week" })
  t:forbid "cookbook.night_only.day"
end)

test("so is use late, and at weekends", function(t)
  use(t, 20, 5, "10.0.0.6")
  use(t, 12, 6, "10.0.0.7")
  use(t, 12, 7, "10.0.0.8")
  t:expect("cookbook.night_only"):times(3)
end)

test("whoever uses it by day may do so at night, for a week", function(t)
  use(t, 7, 1)
  use(t, 19, 5)
  t:expect("cookbook.night_only.day", { action = "observe" })
  use(t, 23, 1)
  t:forbid "cookbook.night_only"
  use(t, 23, 1, "10.0.0.6") -- another machine
  t:expect("cookbook.night_only", { source_ip = "10.0.0.6" })
  t:wait "8d"
  use(t, 23, 2)
  t:expect("cookbook.night_only", { source_ip = "10.0.0.5" })
end)

test("each machine and service is said once a day", function(t)
  use(t, 1, 2)
  t:wait "20h"
  use(t, 21, 2)
  t:expect "cookbook.night_only"
  use(t, 21, 2, "10.0.0.6")
  t:flow({ src_ip = "10.0.0.5", host = "claude.ai", hour = 21, weekday = 2 }):classified()
  t:expect("cookbook.night_only"):times(3)
end)

test("so is what is used by day", function(t)
  use(t, 12, 2)
  use(t, 13, 2)
  t:expect "cookbook.night_only.day"
  use(t, 13, 2, "10.0.0.6")
  t:flow({ src_ip = "10.0.0.5", host = "claude.ai", hour = 13, weekday = 2 }):classified()
  t:expect("cookbook.night_only.day"):times(3)
end)

test("other hosts may be used at night", function(t)
  t:flow({ host = "example.org", hour = 3, weekday = 2 }):classified()
  t:flow({ host = "api.openai.com", host_source = "inferred", hour = 3, weekday = 2 }):classified()
  t:flow({ host = "example.org", hour = 12, weekday = 2 }):classified()
  t:flow({ host = "api.openai.com", host_source = "inferred", hour = 12, weekday = 2 }):classified()
  t:forbid "cookbook.night_only"
  t:forbid "cookbook.night_only.day"
end)
