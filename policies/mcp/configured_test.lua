test("a server that a client starts", function(t)
  t:mcp { user = "ada", mcp = { client = "claude-desktop", server = "files", transport = "stdio",
    command = "npx -y @modelcontextprotocol/server-filesystem /home/ada" } }
  t:expect("ai.mcp.configured", { severity = "low", type = "mcp", user = "ada",
    summary = like "claude-desktop can use the MCP server files: npx -y @modelcontextprotocol" })
  t:only()
end)

test("one that it reaches in clear text is graver", function(t)
  t:mcp { mcp = { client = "cursor", server = "wiki", url = "http://wiki.corp.example/mcp" } }
  t:expect("ai.mcp.configured", { severity = "medium",
    summary = like "http://wiki.corp.example/mcp, in clear text" })
end)

test("with TLS, or on this host, it is not", function(t)
  for _, url in ipairs { "https://mcp.example.com/mcp", "http://localhost:3000/mcp",
    "http://127.0.0.1:3000/sse", "http://[::1]:3000/mcp" } do
    t:mcp { mcp = { client = "cursor", server = url, transport = "http", url = url } }
  end
  t:expect("ai.mcp.configured", { severity = "low" }):times(4)
  t:only()
end)

test("what is not known is said so", function(t)
  t:mcp { mcp = { server = "files" } }
  t:expect("ai.mcp.configured", { summary = "A program can use the MCP server files: it is not said how" })
end)

test("without a server there is nothing to tell, and servers in order are not told", function(t)
  t:params("ai.mcp.configured", { known = set { "files" } })
  t:mcp { mcp = { client = "cursor" } }
  t:mcp { mcp = { client = "cursor", server = "files" } }
  t:nothing()
  t:mcp { mcp = { client = "cursor", server = "shell" } }
  t:expect "ai.mcp.configured"
end)

test("a client and server are told once a week", function(t)
  t:mcp { mcp = { client = "cursor", server = "files" } }
  t:wait "6d"
  t:mcp { mcp = { client = "cursor", server = "files" } }
  t:expect "ai.mcp.configured"
  t:mcp { mcp = { client = "claude-desktop", server = "files" } }
  t:mcp { mcp = { client = "cursor", server = "files" }, user = "bob" }
  t:expect("ai.mcp.configured"):times(3)
end)
