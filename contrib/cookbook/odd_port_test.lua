local function ask(t, port, label, more)
  local values = { dst_ip = "10.0.5.20", dst_port = port, signal = { label = label, score = 100 } }
  for name, value in pairs(more or {}) do values[name] = value end
  t:http(values)
end

test("Ollama that was moved is reported", function(t)
  ask(t, 8443, "Ollama")
  ask(t, 8443, "Ollama")
  t:expect("cookbook.odd_port", { severity = "medium",
    summary = "Ollama at 10.0.5.20 is asked on port 8443, not on 11434" })
end)

test("usual ports, labels without one, weak signals and public servers are not", function(t)
  ask(t, 11434, "Ollama")
  ask(t, 1234, "LM Studio")
  ask(t, 8443, "OpenAI-compatible")
  ask(t, 8443, "Ollama", { signal = { label = "Ollama", score = 60 } })
  ask(t, 8443, "Ollama", { dst_ip = "203.0.113.9" })
  t:forbid "cookbook.odd_port"
end)

test("on a host it matters to whom it is open", function(t)
  t:listen { tool = "ollama", listen = { ip = "127.0.0.1", port = 11435 } }
  t:expect("cookbook.odd_port.listen", { severity = "low" })
  t:listen { tool = "ollama", listen = { ip = "0.0.0.0", port = 11436 } }
  t:expect("cookbook.odd_port.listen", { severity = "high" })
end)

test("usual ports, and programs that are no runtime, are not", function(t)
  t:listen { tool = "ollama", listen = { ip = "0.0.0.0", port = 11434 } }
  t:listen { tool = "claude-code", listen = { ip = "0.0.0.0", port = 11435 } }
  t:listen { tool = "claude-code", listen = { ip = "127.0.0.1", port = 11435 } }
  t:listen { process = { name = "nginx" }, listen = { ip = "0.0.0.0", port = 11435 } }
  t:forbid "cookbook.odd_port.listen"
end)

test("ports are a param", function(t)
  t:params("cookbook.odd_port", { usual = { vLLM = 8000 } })
  ask(t, 8443, "Ollama")
  ask(t, 8000, "vLLM")
  t:forbid "cookbook.odd_port"
  ask(t, 8001, "vLLM")
  t:expect("cookbook.odd_port", { summary = like "8001, not on 8000" })
end)

test("each server and port is said once a day", function(t)
  ask(t, 8443, "Ollama")
  t:wait "20h"
  ask(t, 8443, "Ollama")
  t:expect "cookbook.odd_port"
  ask(t, 8444, "Ollama")
  ask(t, 8443, "Ollama", { dst_ip = "10.0.5.21" })
  t:expect("cookbook.odd_port"):times(3)
end)

test("so are a tool and its port", function(t)
  local function listens(tool, port) t:listen { tool = tool, listen = { ip = "127.0.0.1", port = port } } end
  listens("ollama", 9001)
  t:wait "20h"
  listens("ollama", 9001)
  t:expect "cookbook.odd_port.listen"
  listens("ollama", 9002)
  listens("lmstudio", 9001)
  t:expect("cookbook.odd_port.listen"):times(3)
end)
