local function upload(t, amount, user)
  t:flow({ src_ip = "10.0.0.5", user = user, host = "claude.ai", bytes_up = amount }):finish()
end

test("small uploads add up to more than the quota", function(t)
  t:params("cookbook.daily_quota", { quota = size "50MiB" })
  upload(t, "30MiB")
  t:wait "5h"
  upload(t, "20MiB")
  t:forbid "cookbook.daily_quota" -- the quota itself is free
  upload(t, "1MiB")
  t:expect("cookbook.daily_quota", { severity = "medium", ["details.sent"] = 51 * 1048576,
    summary = "10.0.0.5 sent 51.0 MiB to AI services in a day, 50.0 MiB are free" })
end)

test("four times as much is graver", function(t)
  t:params("cookbook.daily_quota", { quota = size "50MiB" })
  upload(t, "201MiB")
  t:expect("cookbook.daily_quota", { severity = "high" })
end)

test("it is said once in half a day", function(t)
  t:params("cookbook.daily_quota", { quota = size "50MiB" })
  upload(t, "60MiB")
  t:wait "6h"
  upload(t, "1MiB")
  t:expect "cookbook.daily_quota"
  t:wait "7h"
  upload(t, "1MiB")
  t:expect("cookbook.daily_quota"):times(2)
end)

test("each user has a quota, also behind one address", function(t)
  t:params("cookbook.daily_quota", { quota = size "50MiB" })
  upload(t, "40MiB", "ada")
  upload(t, "40MiB", "bob")
  t:forbid "cookbook.daily_quota"
  upload(t, "40MiB", "bob")
  t:expect("cookbook.daily_quota", { user = "bob", summary = like "bob sent 80.0 MiB" })
  t:forbid("cookbook.daily_quota", { user = "ada" })
end)

test("the day before is forgotten, and other hosts do not count", function(t)
  t:params("cookbook.daily_quota", { quota = size "50MiB" })
  upload(t, "40MiB")
  t:wait "26h"
  upload(t, "40MiB")
  t:flow({ src_ip = "10.0.0.5", host = "backup.example.org", bytes_up = "1GiB" }):finish()
  t:flow({ src_ip = "10.0.0.5", host = "claude.ai", host_source = "inferred", bytes_up = "1GiB" }):finish()
  t:forbid "cookbook.daily_quota"
end)

test("the quota is a param", function(t)
  t:params("cookbook.daily_quota", { quota = 1024 })
  upload(t, "2k")
  t:expect("cookbook.daily_quota", { severity = "medium" })
end)
