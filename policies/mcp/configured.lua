-- MCP servers that stand in the configuration of a client: tools that an agent can use, and what is wrong
-- with the way they are set up.
policy {
  title = "MCP server configured", version = "2",
  description = "Once a week for each client and server. Not seen: servers that a client gets from its " ..
    "vendor's account, and those given on its command line; what a package or a script does once it runs.",
}

-- Without TLS, and not on this host.
local function in_clear(url)
  local host = url and url:match("^http://([^/]+)")
  return host and not starts(host, "localhost") and not starts(host, "127.") and not starts(host, "[::1]")
end

-- "cursor starts the MCP server files"
local function client_and_server(event, does)
  return ("%s %s the MCP server %s"):format(event.mcp.client or "A program", does,
    event.mcp.server or "without a name")
end

rule "ai.mcp.configured" {
  title = "MCP server configured",
  severity = "low", type = "mcp", confidence = 95,
  on = "mcp",
  match = { mcp = { server = { set = true } } },
  params = { known = set {} }, -- names of servers that are in order
  when = function(event, params) return not params.known[event.mcp.server] end,
  finding = function(event)
    local clear = in_clear(event.mcp.url)
    return {
      severity = clear and "medium" or nil,
      summary = ("%s: %s%s"):format(client_and_server(event, "can use"),
        event.mcp.url or event.mcp.command or "it is not said how", clear and ", in clear text" or ""),
      details = { config = event.mcp.config, transport = event.mcp.transport, package = event.mcp.package },
    }
  end,
  throttle = { by = { "user", "mcp.client", "mcp.server" }, every = "7d" },
  indicator = { weight = 60, about = "mcp.server" },
  tags = { "atlas:AML.T0053" },
}

-- "@scope/name@latest", "name>=1.2" and "corp/image:3" without what stands behind the name.
local function name_of(package)
  return package:gsub(":[^/:]*$", ""):match("^@?[^@=<>~!%[ ]*")
end

-- Whoever can publish the package runs code here at the next start of the client.
rule "ai.mcp.unpinned" {
  title = "MCP server fetched in whatever version there is",
  severity = "medium", type = "mcp", confidence = 95,
  on = "mcp",
  match = { mcp = { package = { set = true }, pinned = false } },
  params = { known = set {} }, -- packages, without a version: "@scope/name"
  when = function(event, params) return not params.known[name_of(event.mcp.package)] end,
  finding = function(event)
    return {
      summary = ("%s from %s, without a fixed version"):format(client_and_server(event, "runs"),
        event.mcp.package),
      details = { config = event.mcp.config, command = event.mcp.command, package = event.mcp.package },
    }
  end,
  throttle = { by = { "user", "mcp.client", "mcp.server", "mcp.package" }, every = "7d" },
  tags = { "atlas:AML.T0010" },
}

-- Only the names under which they stand are known here; the secrets never leave the sensor.
rule "ai.mcp.secret" {
  title = "Secret in an MCP configuration",
  severity = "medium", type = "credential", confidence = 85,
  on = "mcp",
  match = { mcp = { secrets = { set = true } } },
  params = { known = set {} }, -- names of servers whose secrets are of no worth
  when = function(event, params) return not params.known[event.mcp.server] end,
  finding = function(event)
    return {
      summary = ("%s with secrets that stand in %s: %s"):format(client_and_server(event, "uses"),
        event.mcp.config or "its configuration", event.mcp.secrets),
      details = { config = event.mcp.config, names = event.mcp.secrets },
    }
  end,
  throttle = { by = { "user", "mcp.client", "mcp.server", "mcp.secrets" }, every = "7d" },
  tags = { "atlas:AML.T0055" },
}

-- ---- what a server can do beyond its work ----

-- "cmd /c npx ..." is how packages are started on Windows, and says nothing.
local shells = set { "sh", "bash", "dash", "zsh", "fish", "ksh" }
local powershell = words { "powershell -", "powershell.exe -", "pwsh -" }
local runs_all = words {
  "desktop-commander", "iterm-mcp", "mcp-shell", "server-shell", "mcp-server-commands", -- of the catalogue
}
local containers = words { "docker run ", "podman run ", "nerdctl run " }
local whole_host = words {
  "--privileged", "docker.sock", "--pid=host", "--pid host", "--cap-add=ALL", "--cap-add ALL",
}
local serves_files = words { "server-filesystem", "filesystem-mcp" }
local wide = set { "/", "/etc", "/home", "/root", "/Users", "/var", "~", "$HOME", "${HOME}" }

-- What stands behind a mark, if it is all of a system or a home: with keys, mail, browser profiles.
local function share(command, mark)
  for path in command:gmatch(mark .. "([^%s:,]+)") do
    if wide[path] or path:match("^/home/[^/]+/?$") or path:match("^/Users/[^/]+/?$") then return path end
  end
end

local function container_powers(command)
  local path = share(command, "%-v[ =]?") or share(command, "%-%-volume[ =]") or share(command, "src=")
    or share(command, "source=")
  local option = whole_host(command)
  return path and "in a container that is given " .. path
    or option and "in a container with " .. option, "high"
end

-- Why, and how grave that is; or nil. A shell within a container is not one of this host.
local function powers(command)
  if containers(command) then return container_powers(command) end
  local program = command:match("^%S-%f[%a](%a+) %-%a*c%s") or command:match("^%S*env (%a+) %-%a*c%s")
  if shells[program] or powershell(lower(command)) then return "through a shell", "medium" end
  if runs_all(command) then return "that runs any command", "medium" end
  local path = serves_files(command) and share(command, " ")
  return path and "that is given all files of " .. path, "medium"
end

rule "ai.mcp.powers" {
  title = "MCP server that can do much more than its work",
  severity = "medium", type = "mcp", confidence = 80,
  on = "mcp",
  match = { mcp = { command = { set = true } } },
  params = { known = set {} }, -- names of servers that may
  when = function(event, params) return not params.known[event.mcp.server] and powers(event.mcp.command) end,
  finding = function(event)
    local why, severity = powers(event.mcp.command)
    return {
      severity = severity,
      summary = ("%s %s: %s"):format(client_and_server(event, "starts"), why, redact(event.mcp.command)),
      details = { config = event.mcp.config },
    }
  end,
  throttle = { by = { "user", "mcp.client", "mcp.server" }, every = "7d" },
  tags = { "atlas:AML.T0053", "atlas:AML.T0086" },
}
