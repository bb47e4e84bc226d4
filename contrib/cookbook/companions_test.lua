test("a look-up and use are told apart, and one does not hide the other", function(t)
  t:dns { src_ip = "10.30.1.2", dns = { name = "character.ai" } }
  t:expect("cookbook.companions", { severity = "low", summary = "10.30.1.2 looked up character.ai" })
  t:flow({ src_ip = "10.30.1.2", host = "character.ai" }):classified()
  t:expect("cookbook.companions", { severity = "high", service = "characterai",
    tags = { "policy:acceptable-use" } })
end)

test("the flow of a look-up, other networks and other services are not reported", function(t)
  t:flow({ src_ip = "10.30.1.2", host = "character.ai", host_source = "dns", dst_port = 53 }):classified()
  t:flow({ src_ip = "10.31.1.2", host = "character.ai" }):classified()
  t:flow({ src_ip = "10.30.1.2", host = "claude.ai" }):classified()
  t:dns { src_ip = "10.30.1.2", dns = { name = "claude.ai" } }
  t:forbid "cookbook.companions"
end)

test("an extension is known by its name", function(t)
  t:inventory { inventory = { kind = "extension", name = "My AI Companion" } }
  t:expect("cookbook.companions.extension", { severity = "medium" })
  t:wait "1d"
  t:inventory { inventory = { kind = "extension", name = "My AI Companion" } }
  t:inventory { inventory = { kind = "extension", name = "Spelling" } }
  t:inventory { inventory = { kind = "extension" } }
  t:inventory { inventory = { kind = "package", name = "companion" } }
  t:expect "cookbook.companions.extension"
end)

test("a machine and service is said once a day", function(t)
  local function use(src_ip, host) t:flow({ src_ip = src_ip, host = host }):classified() end
  use("10.30.1.2", "character.ai")
  t:wait "20h"
  use("10.30.1.2", "character.ai")
  t:expect "cookbook.companions"
  use("10.30.1.3", "character.ai")
  use("10.30.1.2", "replika.com")
  t:expect("cookbook.companions"):times(3)
end)

test("so are an extension and its user", function(t)
  local extension = { kind = "extension", name = "Replika" }
  t:inventory { user = "ada", inventory = extension }
  t:inventory { user = "bob", inventory = extension }
  t:inventory { user = "bob", inventory = { kind = "extension", name = "Virtual Girlfriend" } }
  t:expect("cookbook.companions.extension"):times(3)
end)
