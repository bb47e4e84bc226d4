test("a server that a client starts", function(t)
  t:mcp { user = "ada", mcp = { client = "claude-desktop", server = "files", transport = "stdio",
    command = "npx -y @modelcontextprotocol/server-filesystem /home/ada/notes",
    config = "/home/ada/.config/Claude/claude_desktop_config.json" } }
  t:expect("ai.mcp.configured", { severity = "low", type = "mcp", user = "ada",
    summary = like "claude-desktop can use the MCP server files: npx -y @modelcontextprotocol",
    details = { config = "/home/ada/.config/Claude/claude_desktop_config.json", transport = "stdio" } })
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

-- ---- packages ----

local function package(t, name, pinned, more)
  local values = { user = "ada", mcp = { client = "cursor", server = "files", package = name, pinned = pinned,
    command = "npx -y " .. name } }
  for key, value in pairs(more or {}) do values.mcp[key] = value end
  t:mcp(values)
end

test("a package that is fetched in whatever version there is", function(t)
  package(t, "@corp/files", false)
  t:expect("ai.mcp.unpinned", { severity = "medium", user = "ada",
    summary = "cursor runs the MCP server files from @corp/files, without a fixed version",
    details = { package = "@corp/files", command = "npx -y @corp/files" } })
  t:mcp { mcp = { package = "tools@latest", pinned = false } }
  t:expect("ai.mcp.unpinned", {
    summary = like "A program runs the MCP server without a name from tools@latest" })
end)

test("one version is one version, and what is not known is not told", function(t)
  package(t, "@corp/files@1.2.3", true)
  package(t, "@corp/files", nil)
  t:mcp { mcp = { client = "cursor", server = "files", pinned = false } }
  t:forbid "ai.mcp.unpinned"
end)

test("packages that may come in any version, whatever stands behind them", function(t)
  t:params("ai.mcp.unpinned", { known = set { "@corp/files", "mail", "registry:5000/corp/db" } })
  package(t, "@corp/files", false)
  package(t, "@corp/files@latest", false)
  package(t, "mail@^2", false)
  package(t, "mail>=1.2,<2", false)
  package(t, "mail[imap]", false)
  package(t, "registry:5000/corp/db:3", false)
  t:forbid "ai.mcp.unpinned"
  package(t, "@corp/file", false)
  package(t, "corp/files", false)
  t:expect("ai.mcp.unpinned"):times(2)
end)

-- ---- secrets ----

test("secrets in a configuration, by their names", function(t)
  t:mcp { user = "ada", mcp = { client = "cursor", server = "mail", secrets = "MAIL_TOKEN, Authorization",
    config = "/home/ada/.cursor/mcp.json" } }
  t:expect("ai.mcp.secret", { severity = "medium", type = "credential", user = "ada",
    summary = "cursor uses the MCP server mail with secrets that stand in /home/ada/.cursor/mcp.json: " ..
      "MAIL_TOKEN, Authorization",
    details = { names = "MAIL_TOKEN, Authorization", config = "/home/ada/.cursor/mcp.json" } })
  t:mcp { mcp = { secrets = "KEY" } }
  t:expect("ai.mcp.secret", { summary = like "with secrets that stand in its configuration: KEY" })
end)

test("none, and those of servers that may, are not told", function(t)
  t:params("ai.mcp.secret", { known = set { "demo" } })
  t:mcp { mcp = { client = "cursor", server = "mail" } }
  t:mcp { mcp = { client = "cursor", server = "demo", secrets = "KEY" } }
  t:forbid "ai.mcp.secret"
end)

-- ---- powers ----

local function starts_with(t, command, more)
  local values = { user = "ada", mcp = { client = "cursor", server = command, command = command,
    config = "/home/ada/.cursor/mcp.json" } }
  for key, value in pairs(more or {}) do values.mcp[key] = value end
  t:mcp(values)
end

test("a shell", function(t)
  starts_with(t, "bash -lc 'node server.js'", { server = "files" })
  t:expect("ai.mcp.powers", { severity = "medium", user = "ada",
    summary = "cursor starts the MCP server files through a shell: bash -lc 'node server.js'",
    details = { config = "/home/ada/.cursor/mcp.json" } })
  for _, command in ipairs { "/bin/sh -c x", "/usr/bin/env zsh -c x", "PowerShell -File x.ps1",
    "C:\\Windows\\powershell.exe -c x", "npx -y desktop-commander", "uvx mcp-shell" } do
    starts_with(t, command)
  end
  t:expect("ai.mcp.powers", { severity = "medium" }):times(7)
  t:mcp { mcp = { command = "sh -c x --key sk-proj-abcdefghijklmnopqrstuvwxyz0123456789ABCD" } }
  t:expect("ai.mcp.powers", { summary = like "sh -c x --key ~redacted~" })
end)

test("a container that is given the host", function(t)
  starts_with(t, "docker run -i --rm -v /:/host mcp/shell", { server = "files" })
  t:expect("ai.mcp.powers", { severity = "high",
    summary = like "cursor starts the MCP server files in a container that is given /: docker run" })
  for _, command in ipairs { "docker run -v /home/ada:/data mcp/files", "docker run --volume=/etc:/e x",
    "docker run --volume /root:/r x", "podman run --mount type=bind,source=/home/ada/,target=/d x",
    "docker run --mount type=bind,src=/,dst=/h x", "docker run -v ~:/h x", "docker run -v /Users/ada:/h x",
    "docker run --privileged x", "docker run -v /var/run/docker.sock:/var/run/docker.sock x",
    "docker run --pid=host x" } do
    starts_with(t, command)
  end
  t:expect("ai.mcp.powers", { severity = "high" }):times(11)
end)

test("a server that is given all files of a home", function(t)
  starts_with(t, "npx -y @modelcontextprotocol/server-filesystem /srv/data /home/ada", { server = "files" })
  t:expect("ai.mcp.powers", { severity = "medium",
    summary = like "cursor starts the MCP server files that is given all files of /home/ada: npx" })
end)

test("packages, containers and folders as they should be", function(t)
  for _, command in ipairs { "npx -y @modelcontextprotocol/server-filesystem /home/ada/notes",
    "docker run -i --rm -e TOKEN mcp/github", "docker run -v /home/ada/notes:/data mcp/files",
    "docker run -v notes:/data x sh -c 'serve /etc'", "docker run x /etc", "publish -config /etc/mcp.json",
    "cmd /c npx -y files", "node /home/ada/bash -x", "python3 -c 'import server'", "uvx mcp-server-git /",
    "git -c core.pager= mcp" } do
    starts_with(t, command)
  end
  t:mcp { mcp = { client = "cursor", server = "mail", url = "https://mcp.example.com/mcp" } }
  t:forbid "ai.mcp.powers"
end)

test("servers that may are a param", function(t)
  t:params("ai.mcp.powers", { known = set { "build" } })
  starts_with(t, "bash -c x", { server = "build" })
  t:forbid "ai.mcp.powers"
  starts_with(t, "bash -c x")
  t:expect "ai.mcp.powers"
end)

test("what is wrong with a server is told once a week", function(t)
  local function say(user, client, server)
    t:mcp { user = user, mcp = { client = client, server = server, command = "sh -c x", package = "files",
      pinned = false, secrets = "KEY" } }
  end
  say("ada", "cursor", "files")
  t:wait "6d"
  say("ada", "cursor", "files")
  say("bob", "cursor", "files")
  say("ada", "claude-desktop", "files")
  say("ada", "cursor", "mail")
  for _, rule in ipairs { "unpinned", "secret", "powers" } do t:expect("ai.mcp." .. rule):times(4) end
  t:mcp { user = "ada", mcp = { client = "cursor", server = "files", package = "other", pinned = false,
    secrets = "KEY, TOKEN" } }
  t:expect("ai.mcp.unpinned"):times(5)
  t:expect("ai.mcp.secret"):times(5)
end)
