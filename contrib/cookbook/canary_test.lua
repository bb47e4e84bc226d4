local DOCUMENTS = {
  ["payroll-7f3a"] = { title = "Payroll 2026", severity = "critical" },
  ["roadmap-91c2"] = { title = "Product roadmap", severity = "high" },
}

test("whoever asks for the name of a document has read it", function(t)
  t:params("cookbook.canary", { documents = DOCUMENTS })
  t:dns { src_ip = "10.0.0.5", dns = { name = "payroll-7f3a.canary.corp.example" } }
  t:expect("cookbook.canary", { severity = "critical", confidence = 100, type = "canary",
    summary = "10.0.0.5 took up 'Payroll 2026'", tags = { "canary" } })
  t:tls { src_ip = "10.0.0.6", host = "roadmap-91c2.canary.corp.example" }
  t:http { src_ip = "10.0.0.7", host = "roadmap-91c2.canary.corp.example" }
  t:expect("cookbook.canary", { severity = "high" }):times(2)
end)

test("names that are in no document are told apart", function(t)
  t:dns { src_ip = "10.0.0.5", dns = { name = "www.canary.corp.example" } }
  t:expect("cookbook.canary", { severity = "low", summary = like "in no document" })
end)

test("question, answer and connection are one finding", function(t)
  t:params("cookbook.canary", { documents = DOCUMENTS })
  local name = "payroll-7f3a.canary.corp.example"
  t:dns { src_ip = "10.0.0.5", dns = { name = name } }
  t:wait "5m"
  t:dns { src_ip = "10.0.0.5", dns = { name = name, response = true } }
  t:tls { src_ip = "10.0.0.5", host = name }
  t:expect "cookbook.canary"
  t:tls { src_ip = "10.0.0.5", host = "roadmap-91c2.canary.corp.example" }
  t:expect("cookbook.canary"):times(2)
end)

test("neighbours are not", function(t)
  t:dns { dns = { name = "corp.example" } }
  t:dns { dns = { name = "payroll-7f3a.corp.example" } }
  t:dns { dns = { name = "payroll-7f3a.canary.corp.example.org" } }
  t:forbid "cookbook.canary"
end)

test("documents are a param", function(t)
  t:params("cookbook.canary", { documents = { plan = { title = "The plan", severity = "medium" } } })
  t:dns { dns = { name = "plan.canary.corp.example" } }
  t:expect("cookbook.canary", { severity = "medium", summary = like "'The plan'" })
end)
