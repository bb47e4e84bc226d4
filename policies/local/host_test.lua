test("a runtime that is started, or found listening on loopback", function(t)
  t:process { user = "ada", tool = "ollama", process = { name = "ollama", path = "/usr/bin/ollama",
    command = "ollama serve", hash = "ab12" } }
  t:expect("ai.local.running", { severity = "low", type = "local_model", user = "ada",
    summary = "ollama runs on this host, for ada",
    details = { path = "/usr/bin/ollama", command = "ollama serve", hash = "ab12" } })
  t:listen { tool = "vllm", listen = { ip = "127.0.0.1", port = 8000, scope = "loopback",
    speaks = "OpenAI-compatible" } }
  t:expect("ai.local.running", { summary = "vllm runs on this host, for an unknown user",
    details = { speaks = "OpenAI-compatible" } })
  t:only()
end)

test("what listens to other machines is told as such alone", function(t)
  t:listen { tool = "ollama", listen = { ip = "0.0.0.0", port = 11434, scope = "any", speaks = "Ollama" } }
  t:expect("ai.local.listens", { details = { speaks = "Ollama" } })
  t:only()
end)

test("other programs, the end of one, and runtimes that may run are not", function(t)
  t:params("ai.local.running", { known = set { "litellm" } })
  t:process { tool = "litellm" }
  t:process { process = { name = "ollama" } }
  t:event("process.exit", { tool = "ollama" })
  t:nothing()
  t:process { tool = "cursor" }
  t:listen { tool = "cursor", listen = { ip = "127.0.0.1", port = 9000, scope = "loopback" } }
  t:forbid "ai.local.running"
end)

test("a user and runtime are told once a day", function(t)
  for _ = 1, 2 do
    t:process { user = "ada", tool = "ollama" }
    t:listen { user = "ada", tool = "ollama", listen = { ip = "127.0.0.1", port = 1, scope = "loopback" } }
    t:wait "20h"
  end
  t:expect "ai.local.running"
  t:process { user = "bob", tool = "ollama" }
  t:process { user = "ada", tool = "vllm" }
  t:expect("ai.local.running"):times(3)
end)

local function answers(t, speaks, more)
  local values = { user = "ada", process = { name = "server", path = "/tmp/server", command = "./server" },
    listen = { ip = "127.0.0.1", port = 9999, scope = "loopback", speaks = speaks } }
  for key, value in pairs(more or {}) do values[key] = value end
  t:listen(values)
end

test("a program that answers like a model server, whatever it is called", function(t)
  answers(t, "Ollama")
  t:expect("ai.local.answers", { severity = "low", process = "server",
    summary = "server answers as Ollama on 127.0.0.1 port 9999",
    details = { path = "/tmp/server", command = "./server", speaks = "Ollama" } })
  t:listen { listen = { ip = "0.0.0.0", port = 80, scope = "any", speaks = "OpenAI-compatible" } }
  t:expect("ai.local.answers", { severity = "medium",
    summary = "A program answers as OpenAI-compatible on 0.0.0.0 port 80, also to other machines" })
  t:listen { listen = { speaks = "Ollama" } }
  t:expect("ai.local.answers", { severity = "low", summary = like "on an unknown address port 0" })
  t:only()
end)

test("tools of the catalogue, MCP, silence, and programs that may are not told here", function(t)
  t:params("ai.local.answers", { known = set { "server" } })
  answers(t, "Ollama")
  answers(t, nil)
  t:nothing()
  answers(t, "MCP", { process = { name = "node" } })
  answers(t, "Ollama", { tool = "ollama" })
  t:forbid "ai.local.answers"
end)

test("a program, port and speech are told once a day", function(t)
  answers(t, "Ollama")
  t:wait "20h"
  answers(t, "Ollama")
  t:expect "ai.local.answers"
  answers(t, "OpenAI-compatible")
  answers(t, "Ollama", { process = { name = "other" } })
  answers(t, "Ollama", { listen = { ip = "127.0.0.1", port = 1, scope = "loopback", speaks = "Ollama" } })
  answers(t, "Ollama", { listen = { ip = "0.0.0.0", port = 9999, scope = "any", speaks = "Ollama" } })
  t:expect("ai.local.answers"):times(5)
end)

test("a runtime that others can reach", function(t)
  t:listen { tool = "ollama", listen = { ip = "0.0.0.0", port = 11434, scope = "any" } }
  t:expect("ai.local.listens", { severity = "medium",
    summary = "ollama accepts connections on 0.0.0.0 port 11434" })
  t:listen { tool = "vllm", listen = { ip = "192.168.1.20", port = 8000, scope = "private" } }
  t:expect("ai.local.listens", { summary = like "vllm" })
  t:only()
end)

test("on loopback, of an unknown program, or at an unknown address: no", function(t)
  t:listen { tool = "ollama", listen = { ip = "127.0.0.1", port = 11434, scope = "loopback" } }
  t:listen { process = { name = "nginx" }, listen = { ip = "0.0.0.0", port = 80, scope = "any" } }
  t:listen { tool = "ollama" }
  t:forbid "ai.local.listens"
end)

test("tools that may listen do so", function(t)
  t:params("ai.local.listens", { known = set { "qdrant" } })
  t:listen { tool = "qdrant", listen = { ip = "0.0.0.0", port = 6333, scope = "any" } }
  t:nothing()
  t:listen { tool = "ollama", listen = { ip = "0.0.0.0", port = 11434, scope = "any" } }
  t:expect "ai.local.listens"
end)

test("a port is told once a day", function(t)
  t:listen { tool = "ollama", listen = { ip = "0.0.0.0", port = 11434, scope = "any" } }
  t:wait "23h"
  t:listen { tool = "ollama", listen = { ip = "0.0.0.0", port = 11434, scope = "any" } }
  t:expect "ai.local.listens"
  t:listen { tool = "ollama", listen = { ip = "0.0.0.0", port = 8000, scope = "any" } }
  t:listen { tool = "vllm", listen = { ip = "0.0.0.0", port = 8000, scope = "any" } }
  t:expect("ai.local.listens"):times(3)
end)

test("a model file that is found or created", function(t)
  t:file { file = { path = "/home/ada/llama.gguf", kind = "model", op = "created", size = "4GiB" } }
  t:expect("ai.local.model_file", { severity = "info", summary = "Model of 4.0 GiB: /home/ada/llama.gguf",
    details = { path = "/home/ada/llama.gguf", size = size "4GiB", op = "created" } })
  t:file { file = { path = "/srv/phi.gguf", kind = "model", op = "found", size = "50MiB" } }
  t:expect("ai.local.model_file"):times(2)
  t:only()
end)

test("other files, small ones, and what is changed or removed: no", function(t)
  t:file { file = { path = "/home/ada/vocabulary.bin", kind = "data", op = "created", size = "60MiB" } }
  t:file { file = { path = "/home/ada/test.gguf", kind = "model", op = "created", size = "49MiB" } }
  t:file { file = { path = "/home/ada/llama.gguf", kind = "model", op = "changed", size = "4GiB" } }
  t:file { file = { path = "/home/ada/llama.gguf", kind = "model", op = "removed", size = "4GiB" } }
  t:nothing()
end)

test("a file is told once in 30 days", function(t)
  t:file { file = { path = "/home/ada/llama.gguf", kind = "model", op = "found", size = "4GiB" } }
  t:wait "29d"
  t:file { file = { path = "/home/ada/llama.gguf", kind = "model", op = "found", size = "4GiB" } }
  t:expect "ai.local.model_file"
  t:file { file = { path = "/home/bob/llama.gguf", kind = "model", op = "found", size = "4GiB" } }
  t:expect("ai.local.model_file"):times(2)
end)
