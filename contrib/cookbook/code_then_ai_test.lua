local function code(t) t:tls { src_ip = "10.0.0.5", host = "github.com" } end
local function model(t) t:tls { src_ip = "10.0.0.5", host = "api.anthropic.com" } end

test("first code, then a model API for the first time", function(t)
  code(t)
  t:wait "50m"
  model(t)
  t:expect("cookbook.code_then_ai", { severity = "medium", source_ip = "10.0.0.5",
    summary = like "began to use Anthropic API" })
end)

test("a machine that uses it anyway may go on", function(t)
  model(t)
  t:wait "2d"
  code(t)
  model(t)
  t:forbid "cookbook.code_then_ai"
end)

test("long after, by another machine, or after another host it is nothing", function(t)
  code(t)
  t:tls { src_ip = "10.0.0.6", host = "api.anthropic.com" }
  t:wait "2h"
  model(t)
  t:tls { src_ip = "10.0.0.7", host = "notgithub.com" }
  t:tls { src_ip = "10.0.0.7", host = "api.anthropic.com" }
  t:forbid "cookbook.code_then_ai"
end)

test("neither a chat nor a Copilot below github.com is meant", function(t)
  t:tls { src_ip = "10.0.0.5", host = "copilot.github.com" }
  model(t)
  t:forbid "cookbook.code_then_ai.code"
  code(t)
  t:expect("cookbook.code_then_ai.code", { action = "observe" })
  t:tls { src_ip = "10.0.0.5", host = "claude.ai" }
  t:forbid "cookbook.code_then_ai"
end)

test("each machine and service has its own first time", function(t)
  code(t)
  code(t)
  t:expect "cookbook.code_then_ai.code"
  t:tls { src_ip = "10.0.0.5", host = "gitlab.com" }
  t:tls { src_ip = "10.0.0.6", host = "github.com" }
  t:expect("cookbook.code_then_ai.code"):times(3)
  model(t)
  model(t)
  t:tls { src_ip = "10.0.0.5", host = "openrouter.ai" }
  t:tls { src_ip = "10.0.0.6", host = "openrouter.ai" }
  t:expect("cookbook.code_then_ai"):times(3)
end)
