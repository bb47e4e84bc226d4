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
  t:nothing()
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
  t:expect("ai.local.model_file", { severity = "info", summary = "Model of 4.0 GiB: /home/ada/llama.gguf" })
  t:file { file = { path = "/srv/phi.gguf", kind = "model", op = "found", size = "50MiB" } }
  t:expect("ai.local.model_file"):times(2)
  t:only()
end)

test("other files, small ones, and what is changed or removed: no", function(t)
  t:file { file = { path = "/home/ada/AGENTS.md", kind = "instructions", op = "created", size = "60MiB" } }
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
