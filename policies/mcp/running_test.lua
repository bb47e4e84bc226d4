test("an MCP server that is started", function(t)
  t:process { user = "ada", tool = "mcp-stdio", process = { name = "node", agent = "claude-code",
    command = "node mcp-server-github", path = "/usr/bin/node", ancestors = "claude, bash" } }
  t:expect("ai.mcp.running", { severity = "low", user = "ada",
    summary = "claude-code started an MCP server for ada: node mcp-server-github",
    details = { path = "/usr/bin/node", ancestors = "claude, bash" } })
  t:only()
end)

test("one that runs any command is graver", function(t)
  t:process { tool = "mcp-tools", process = { name = "node", parent = "cursor" } }
  t:expect("ai.mcp.running", { severity = "medium",
    summary = "cursor started an MCP server for an unknown user: node" })
  t:process { tool = "mcp-remote" }
  t:expect("ai.mcp.running", { severity = "low",
    summary = "A program started an MCP server for an unknown user: mcp-remote" })
end)

test("other programs, its end, and servers that may are not", function(t)
  t:params("ai.mcp.running", { known = { "mcp-server-git", "server-memory" } })
  t:process { tool = "mcp-stdio", process = { command = "uvx mcp-server-git" } }
  t:process { tool = "cursor", process = { command = "cursor" } }
  t:process { process = { name = "mcp-server-github" } }
  t:event("process.exit", { tool = "mcp-stdio" })
  t:forbid "ai.mcp.running"
  t:process { tool = "mcp-stdio", process = { command = "uvx mcp-server-time" } }
  t:expect "ai.mcp.running"
end)

test("a program that answers as an MCP server", function(t)
  t:listen { process = { name = "node", path = "/usr/bin/node", command = "node tools.js" },
    listen = { ip = "127.0.0.1", port = 3000, scope = "loopback", speaks = "MCP" } }
  t:expect("ai.mcp.listens", { severity = "low", process = "node",
    summary = "node offers tools by MCP on 127.0.0.1 port 3000", details = { command = "node tools.js" } })
  t:only()
end)

test("to other machines it is graver, and told once also for a tool that is known", function(t)
  t:listen { tool = "mcp-remote", listen = { ip = "0.0.0.0", port = 3000, scope = "any", speaks = "MCP" } }
  t:expect("ai.mcp.listens", { severity = "medium",
    summary = "A program offers tools by MCP on 0.0.0.0 port 3000, also to other machines" })
  t:listen { listen = { speaks = "MCP" } }
  t:expect("ai.mcp.listens", { severity = "low",
    summary = "A program offers tools by MCP on an unknown address port 0" })
  t:only()
end)

test("what answers otherwise, or was not asked, does not", function(t)
  t:params("ai.mcp.listens", { known = set { "hub" } })
  t:listen { process = { name = "node" }, listen = { ip = "127.0.0.1", port = 3000, scope = "loopback" } }
  t:listen { process = { name = "hub" }, listen = { port = 1, scope = "any", speaks = "MCP" } }
  t:nothing()
  t:listen { process = { name = "node" }, listen = { port = 11434, scope = "loopback", speaks = "Ollama" } }
  t:forbid "ai.mcp.listens"
end)

test("a server is told once a day", function(t)
  local function run(user, command, tool)
    t:process { user = user, tool = tool or "mcp-stdio", process = { command = command } }
  end
  local function listen(name, port, scope)
    t:listen { process = { name = name }, listen = { ip = "127.0.0.1", port = port, scope = scope,
      speaks = "MCP" } }
  end
  for _ = 1, 2 do
    run("ada", "uvx mcp-server-git")
    listen("node", 3000, "loopback")
    t:wait "20h"
  end
  t:expect "ai.mcp.running"
  t:expect "ai.mcp.listens"
  run("bob", "uvx mcp-server-git")
  run("ada", "uvx mcp-server-time")
  run("ada", "uvx mcp-server-git", "mcp-remote")
  listen("python3", 3000, "loopback")
  listen("node", 3001, "loopback")
  listen("node", 3000, "any")
  t:expect("ai.mcp.running"):times(4)
  t:expect("ai.mcp.listens"):times(4)
end)
