local function found(t, name, size, more)
  local values = { user = "ada",
    file = { path = "/home/ada/" .. name, kind = "model", op = "found", size = size } }
  for key, value in pairs(more or {}) do values.file[key] = value end
  t:file(values)
end

test("models that together are too many", function(t)
  found(t, "a.gguf", "12GiB")
  t:wait "3d"
  found(t, "b.gguf", "6GiB", { op = "created" })
  t:forbid "cookbook.laptop_models"
  t:wait "3d"
  found(t, "c.gguf", "4GiB")
  t:expect("cookbook.laptop_models", { severity = "low", user = "ada",
    summary = "ada has models of 22.0 GiB, the latest /home/ada/c.gguf" })
end)

test("very many are graver", function(t)
  found(t, "a.gguf", "120GiB")
  t:file { file = { path = "/opt/a.gguf", kind = "model", op = "found", size = "30GiB" } }
  t:expect("cookbook.laptop_models", { severity = "medium", summary = like "ada has models of 120.0 GiB" })
  t:expect("cookbook.laptop_models", { severity = "low",
    summary = like "Nobody known has models of 30.0 GiB" })
end)

test("one that is found again, what goes, small ones, other files and other users do not count", function(t)
  for _ = 1, 3 do
    found(t, "a.gguf", "12GiB")
    t:wait "1d"
  end
  found(t, "b.gguf", "12GiB", { op = "removed" })
  found(t, "c.gguf", "40MiB")
  found(t, "disk.img", "40GiB", { kind = "image" })
  found(t, "", "40GiB", { path = "/srv/models/big.gguf" })
  t:file { user = "bob", file = { path = "/home/bob/b.gguf", kind = "model", op = "found", size = "12GiB" } }
  t:forbid "cookbook.laptop_models"
end)

test("what is in order is a param", function(t)
  t:params("cookbook.laptop_models", { room = size "1GiB" })
  found(t, "a.gguf", "1GiB")
  t:forbid "cookbook.laptop_models"
  found(t, "b.gguf", "60MiB")
  t:expect("cookbook.laptop_models", { severity = "low" })
end)

test("a user is said once a week", function(t)
  found(t, "a.gguf", "30GiB")
  t:wait "6d"
  found(t, "b.gguf", "30GiB")
  t:expect "cookbook.laptop_models"
  t:file { user = "bob", file = { path = "/home/bob/b.gguf", kind = "model", op = "found", size = "30GiB" } }
  t:expect("cookbook.laptop_models"):times(2)
end)
