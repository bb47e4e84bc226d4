test("a long download is reported while it runs, and once", function(t)
  local flow = t:flow { src_ip = "10.0.0.5", host = "cdn-lfs.hf.co" }
  t:wait "5m"
  flow:update { bytes_down = "900MiB" }
  t:forbid "cookbook.model_download"
  t:wait "1m"
  flow:update { bytes_down = "1GiB" }
  flow:finish { bytes_down = "4GiB" }
  t:expect("cookbook.model_download", { severity = "medium", service = "huggingface",
    summary = "10.0.0.5 fetched 1.0 GiB from cdn-lfs.hf.co within 6m 0s" })
end)

test("a short one is, at its end", function(t)
  t:flow({ host = "huggingface.co", bytes_down = "2GiB" }):finish()
  t:expect("cookbook.model_download", { summary = like "2.0 GiB" })
end)

test("uploads, other services and the machines that may are not", function(t)
  t:flow({ host = "huggingface.co", bytes_up = "2GiB" }):finish()
  t:flow({ host = "claude.ai", bytes_down = "2GiB" }):finish()
  t:flow({ host = "huggingface.co", host_source = "inferred", bytes_down = "2GiB" }):finish()
  t:flow({ host = "huggingface.co", bytes_down = "2GiB", src_ip = "10.60.0.10" }):finish()
  t:flow({ host = "huggingface.co", bytes_down = "2GiB", src_ip = "10.60.1.9" }):finish()
  t:forbid "cookbook.model_download"
end)

test("a large model file on a host is reported", function(t)
  t:file { file = { kind = "model", op = "created", path = "/home/ada/llama.gguf", size = "4GiB" } }
  t:wait "5d"
  t:file { file = { kind = "model", op = "found", path = "/home/ada/llama.gguf", size = "4GiB" } }
  t:expect("cookbook.model_download.file", { severity = "low",
    summary = "Model of 4.0 GiB at /home/ada/llama.gguf" })
  t:file { file = { kind = "model", op = "found", path = "/opt/other.gguf", size = "4GiB" } }
  t:expect("cookbook.model_download.file"):times(2)
end)

test("small ones, other files, removed ones and those in their folder are not", function(t)
  t:file { file = { kind = "model", op = "created", path = "/home/ada/tiny.gguf", size = "40MiB" } }
  t:file { file = { kind = "instructions", op = "created", path = "/home/ada/AGENTS.md", size = "4GiB" } }
  t:file { file = { kind = "model", op = "removed", path = "/home/ada/llama.gguf", size = "4GiB" } }
  t:file { file = { kind = "model", op = "found", path = "/srv/models/llama.gguf", size = "4GiB" } }
  t:forbid "cookbook.model_download.file"
end)

test("a machine and hub is said once in six hours", function(t)
  local function fetch(src_ip, host)
    t:flow({ src_ip = src_ip, host = host, bytes_down = "2GiB" }):finish()
  end
  fetch("10.0.0.5", "huggingface.co")
  t:wait "5h"
  fetch("10.0.0.5", "cdn-lfs.hf.co")
  t:expect "cookbook.model_download"
  fetch("10.0.0.6", "huggingface.co")
  fetch("10.0.0.5", "civitai.com")
  t:expect("cookbook.model_download"):times(3)
end)
