test("an extension of a browser or an editor", function(t)
  t:inventory { user = "ada", inventory = { kind = "extension", app = "vscode",
    name = "saoudrizwan.claude-dev", version = "3.2.1", path = "/home/ada/.vscode/extensions/x" } }
  t:expect("ai.inventory.extension", { severity = "low", type = "inventory", user = "ada",
    summary = "AI extension of vscode for ada: saoudrizwan.claude-dev 3.2.1",
    details = { app = "vscode", name = "saoudrizwan.claude-dev", version = "3.2.1" } })
  t:inventory { inventory = { kind = "extension" } }
  t:expect("ai.inventory.extension", { summary = like "AI extension of a program for an unknown user" })
  t:only()
end)

test("extensions that may be are a param", function(t)
  t:params("ai.inventory.extension", { known = set { "github.copilot" } })
  t:inventory { inventory = { kind = "extension", app = "vscode", name = "github.copilot" } }
  t:nothing()
  t:inventory { inventory = { kind = "extension", app = "vscode", name = "github.copilot-chat" } }
  t:expect "ai.inventory.extension"
end)

local function package(t, process, name, user)
  t:inventory { user = user or "ada",
    process = { name = process, command = process and process .. " app.py" },
    inventory = { kind = "package", name = name or "openai", version = "1.54.0", path = "/usr/lib/openai" } }
end

test("a package that a program has loaded", function(t)
  package(t, "python3")
  t:expect("ai.inventory.sdk", { severity = "info", process = "python3",
    summary = "python3, run by ada, uses the package openai 1.54.0",
    details = { name = "openai", version = "1.54.0", command = "python3 app.py" } })
  t:inventory { process = { name = "node" }, inventory = { kind = "package" } }
  t:expect("ai.inventory.sdk", { summary = like "node, run by an unknown user, uses the package" })
  t:only()
end)

test("one that lies about is only counted, one that may be is not told", function(t)
  t:params("ai.inventory.sdk", { known = set { "tokenizers" } })
  package(t, nil)
  t:expect("ai.inventory.package", { action = "observe" })
  package(t, "python3", "tokenizers")
  t:only()
end)

local function gpu(t, process, more)
  local values = { user = "ada", process = { name = process, path = process and "/usr/bin/" .. process },
    inventory = { kind = "gpu", name = "NVIDIA L4", path = "/dev/nvidia0" } }
  for key, value in pairs(more or {}) do values[key] = value end
  t:inventory(values)
end

test("a GPU in use by a program that is not known", function(t)
  gpu(t, "python3")
  t:expect("ai.inventory.gpu", { severity = "low", process = "python3",
    summary = "python3, run by ada, uses a GPU: NVIDIA L4", details = { path = "/usr/bin/python3" } })
  t:inventory { process = { name = "x" }, inventory = { kind = "gpu", path = "/dev/dri/renderD128" } }
  t:expect("ai.inventory.gpu", { summary = "x, run by an unknown user, uses a GPU: /dev/dri/renderD128" })
  t:inventory { process = { name = "y" }, inventory = { kind = "gpu" } }
  t:expect("ai.inventory.gpu", { summary = like "uses a GPU: of unknown name" })
  t:only()
end)

test("desktops, tools of the catalogue, and a GPU that nobody uses are not", function(t)
  t:params("ai.inventory.gpu", { known = set { "Xorg", "render-farm" } })
  gpu(t, "Xorg")
  gpu(t, "render-farm")
  gpu(t, "ollama", { tool = "ollama" })
  gpu(t, nil)
  t:nothing()
end)

test("a package and a GPU of one program together are a model of its own", function(t)
  package(t, "python3", "torch")
  gpu(t, "python3")
  t:expect("ai.activity.use", { confidence = 70, user = "ada", process = "python3" })
end)

test("neither a package and a GPU of two programs, nor more of one kind", function(t)
  package(t, "python3", "torch")
  package(t, "python3", "openai")
  gpu(t, "python3.11")
  t:forbid "ai.activity.use"
end)

test("each is told once", function(t)
  local function extension(user, app, name)
    t:inventory { user = user, inventory = { kind = "extension", app = app, name = name } }
  end
  local function all()
    extension("ada", "chrome", "a")
    package(t, "python3")
    package(t, nil)
    gpu(t, "python3")
  end
  all()
  t:wait "6d"
  all()
  for _, name in ipairs { "extension", "sdk", "package", "gpu" } do t:expect("ai.inventory." .. name) end
  extension("bob", "chrome", "a")
  extension("ada", "edge", "a")
  extension("ada", "chrome", "b")
  package(t, "node")
  package(t, "python3", "torch")
  package(t, "python3", "openai", "bob")
  package(t, nil, "torch")
  gpu(t, "node")
  gpu(t, "python3", { process = { name = "python3", path = "/tmp/python3" } })
  gpu(t, "python3", { user = "bob" })
  t:expect("ai.inventory.extension"):times(4)
  t:expect("ai.inventory.sdk"):times(4)
  t:expect("ai.inventory.package"):times(2)
  t:expect("ai.inventory.gpu"):times(4)
  t:wait "2d"
  all()
  t:expect("ai.inventory.extension"):times(4)
  t:expect("ai.inventory.sdk"):times(5)
  t:expect("ai.inventory.package"):times(2)
  t:expect("ai.inventory.gpu"):times(5)
end)
