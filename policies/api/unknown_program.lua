-- A program that nobody knows as a client of AI talks to a model API: a script, a product with AI inside,
-- malware.
policy {
  title = "Unknown program calls a model API", version = "1",
  description = "Needs to know which program a connection belongs to, so it is silent in a replay and " ..
    "where a process lived too shortly to be caught. Not seen: what goes through a gateway or proxy of " ..
    "the house; a program that bears the name of one in `known`.",
}

rule "ai.api.unknown_program" {
  title = "Unknown program calls a model API",
  severity = "medium", type = "api", confidence = 80,
  on = "flow.classified",
  match = {
    service = { category = "api", conclusive = true }, host_source = { "sni", "http" },
    process = { name = { set = true } }, tool = { set = false },
  },
  params = {
    -- Names as the system's lists give them, of 15 bytes on Linux. Browsers reach the consoles of such
    -- services.
    known = set {
      "firefox", "firefox-esr", "firefox-bin", "Socket Process", "chrome", "google-chrome", "chromium",
      "chromium-browse", "msedge", "microsoft-edge", "brave", "opera", "vivaldi", "vivaldi-bin", "safari",
      "Safari",
      "com.apple.WebKi", "epiphany", "WebKitNetworkPr", "code", "codium",
    },
  },
  when = function(flow, params) return not params.known[flow.process.name] end,
  finding = function(flow)
    local process = flow.process
    return {
      summary = ("%s, run by %s%s, calls %s: %s"):format(process.name, flow.user or "an unknown user",
        process.agent and " under " .. process.agent or "", flow.service.name, flow.host),
      details = {
        program = process.path, hash = process.hash, command = process.command, ancestors = process.ancestors,
        agent = process.agent, container = process.container,
      },
    }
  end,
  throttle = { by = { "user", "process.name", "process.path", "service.id" }, every = "1d" },
  tags = { "atlas:AML.T0040" },
}
