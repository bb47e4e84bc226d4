-- Finds   a machine that calls a model API for the first time in a month, within an hour after it
--         fetched from a code host: code may be going to a model.
-- Misses  Git over SSH, which has no name to read, and code that was on the machine for longer.
-- Change  the code hosts: add your own.
policy { title = "Model API soon after a code host", version = "1" }

rule "cookbook.code_then_ai.code" {
  title = "Code host used", severity = "info", action = "observe",
  on = "tls",
  match = {
    host = { suffix = { "github.com", "gitlab.com", "bitbucket.org", "git.corp.example" } },
    service = { id = { set = false } }, -- an AI service below such a name is no code host
  },
  when = function(flow) return state.count(flow.src_ip, "1h") > 0 end,
  throttle = { by = { "src_ip", "host" }, every = "1h" },
}

rule "cookbook.code_then_ai" {
  title = "Model API first used soon after a code host",
  severity = "medium", type = "service", confidence = 60,
  on = "tls",
  match = { service = { category = { "api", "gateway" }, conclusive = true } },
  when = function(flow)
    -- Asked each time, not behind `and`: asking is what remembers that it was used.
    local new = state.first(flow.src_ip .. "|" .. flow.service.id, "30d")
    return new and state.get(flow.src_ip, "1h") > 0
  end,
  finding = function(flow)
    return { summary = ("%s began to use %s within an hour after a code host"):format(
      flow.src_ip, flow.service.name) }
  end,
  throttle = { by = { "src_ip", "service.id" }, every = "1d" },
  tags = { "atlas:AML.T0024" },
}
