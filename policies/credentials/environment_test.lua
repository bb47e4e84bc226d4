local function start(t, markers, user, name)
  t:process { user = user, process = { name = name or "bash", path = "/bin/bash", markers = markers } }
end

test("the names of keys that a program is given", function(t)
  start(t, "OPENAI_API_KEY", "ada")
  t:expect("ai.credential.environment", { severity = "info", user = "ada", process = "bash",
    summary = "Programs of ada are given keys of AI services: OPENAI_API_KEY",
    details = { program = "bash", path = "/bin/bash" } })
  start(t, "CLAUDECODE, HF_TOKEN")
  t:expect("ai.credential.environment", { summary = like "Programs of an unknown user are given keys" })
  t:only()
end)

test("other variables are no keys", function(t)
  start(t, "CLAUDECODE, OLLAMA_HOST", "ada")
  start(t, nil, "ada")
  t:nothing()
end)

test("what makes a key is a param", function(t)
  t:params("ai.credential.environment", { key = { "OPENAI_" } })
  start(t, "MISTRAL_API_KEY", "ada")
  t:nothing()
  start(t, "OPENAI_ORG_ID", "ada")
  t:expect "ai.credential.environment"
end)

test("all programs of a user are one, for a week", function(t)
  start(t, "OPENAI_API_KEY", "ada")
  t:wait "6d"
  start(t, "OPENAI_API_KEY", "ada", "make")
  t:expect "ai.credential.environment"
  start(t, "OPENAI_API_KEY", "bob")
  start(t, "OPENAI_API_KEY, XAI_API_KEY", "ada")
  t:expect("ai.credential.environment"):times(3)
end)
