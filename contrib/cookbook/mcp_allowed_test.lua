local function configured(t, server, more)
  local values = { user = "ada",
    mcp = { client = "cursor", server = server, config = "/home/ada/.cursor/mcp.json" } }
  for key, value in pairs(more) do values.mcp[key] = value end
  t:mcp(values)
end

test("a package, a host and a program that nobody has looked at", function(t)
  configured(t, "files", { package = "@other/files@1.0.0", command = "npx -y @other/files@1.0.0" })
  t:expect("cookbook.mcp_allowed", { severity = "medium", user = "ada",
    summary = "cursor of ada uses the MCP server files, which is not on the list: @other/files@1.0.0",
    details = { config = "/home/ada/.cursor/mcp.json" } })
  configured(t, "wiki", { url = "https://mcp.example.org/mcp" })
  t:expect("cookbook.mcp_allowed", { summary = like "on the list: https://mcp.example.org/mcp" })
  configured(t, "own", { command = "./server --key sk-proj-abcdefghijklmnopqrstuvwxyz0123456789ABCD" })
  t:expect("cookbook.mcp_allowed", { summary = like "on the list: ./server --key ~redacted~" })
  t:mcp { mcp = { server = "x" } }
  t:expect("cookbook.mcp_allowed", {
    summary = "A client of somebody uses the MCP server x, which is not on the list: no more is known" })
end)

test("a host that only looks like one on the list is none, and a launcher is not what it fetches", function(t)
  t:params("cookbook.mcp_allowed", { packages = set {}, hosts = { "corp.example" },
    programs = set { "npx" } })
  configured(t, "a", { url = "https://corp.example.evil.example/mcp" })
  configured(t, "b", { url = "https://xcorp.example/mcp" })
  configured(t, "c", { package = "x", command = "npx -y x" })
  t:expect("cookbook.mcp_allowed"):times(3)
end)

test("those on the list are not said, in whatever version and below which host", function(t)
  t:params("cookbook.mcp_allowed", { packages = set { "@corp/files", "mail" }, hosts = { "corp.example" },
    programs = set { "/opt/mcp-wiki" } })
  configured(t, "files", { package = "@corp/files@1.2.3", command = "npx -y @corp/files@1.2.3" })
  configured(t, "mail", { package = "mail==1.2.3", command = "uvx mail==1.2.3" })
  configured(t, "wiki", { url = "https://mcp.CORP.example:8443/mcp" })
  configured(t, "own", { command = "/opt/mcp-wiki --read-only" })
  t:mcp { mcp = { client = "cursor", package = "other" } }
  t:forbid "cookbook.mcp_allowed"
end)

test("a server of a user and client is said once a week", function(t)
  local function say(user, client, server, package)
    t:mcp { user = user, mcp = { client = client, server = server, package = package or "other" } }
  end
  say("ada", "cursor", "files")
  t:wait "6d"
  say("ada", "cursor", "files")
  t:expect "cookbook.mcp_allowed"
  say("bob", "cursor", "files")
  say("ada", "zed", "files")
  say("ada", "cursor", "mail")
  say("ada", "cursor", "files", "another")
  t:expect("cookbook.mcp_allowed"):times(5)
end)
