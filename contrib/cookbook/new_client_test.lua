local PYTHON, CURL = "t13d1812h1_85036bcba153_b26ce05bbdd6", "t13d3112h2_e8f1e7e78f70_6bebaf5329ac"

local function calls(t, times, ja4, host)
  for _ = 1, times do t:tls { host = host or "api.openai.com", ja4 = ja4 } end
end

test("a new client of a service that is well known is reported once", function(t)
  t:params("cookbook.new_client", { learn = 3 })
  calls(t, 3, PYTHON)
  t:forbid "cookbook.new_client"
  calls(t, 2, CURL)
  t:expect("cookbook.new_client", { severity = "low", evidence = { like(CURL) },
    summary = "10.0.0.1 calls OpenAI API / platform with a client that is new here" })
  calls(t, 1, PYTHON)
end)

test("nothing is said while it learns, of each service by itself", function(t)
  t:params("cookbook.new_client", { learn = 3 })
  calls(t, 2, PYTHON)
  calls(t, 1, CURL)
  calls(t, 3, CURL, "api.mistral.ai")
  t:forbid "cookbook.new_client"
  calls(t, 1, PYTHON, "api.mistral.ai")
  t:expect("cookbook.new_client", { service = "mistral-api" })
end)

test("a client is new again after a month, and to each service", function(t)
  t:params("cookbook.new_client", { learn = 0 })
  calls(t, 1, PYTHON)
  t:wait "20d"
  calls(t, 1, PYTHON)
  t:expect "cookbook.new_client"
  calls(t, 1, PYTHON, "api.mistral.ai")
  calls(t, 1, CURL, "api.mistral.ai")
  t:expect("cookbook.new_client"):times(3)
end)

test("what it has seen counts for a month", function(t)
  t:params("cookbook.new_client", { learn = 3 })
  calls(t, 3, PYTHON)
  t:wait "20d"
  calls(t, 1, CURL)
  t:expect "cookbook.new_client"
end)

test("flows without JA4 and other services are not looked at", function(t)
  t:params("cookbook.new_client", { learn = 0 })
  calls(t, 1, nil)
  calls(t, 1, PYTHON, "claude.ai")
  calls(t, 1, PYTHON, "example.org")
  t:forbid "cookbook.new_client"
end)
