-- AI services that something in a container uses: software that was built with AI inside, or an agent that
-- was put into one.
policy {
  title = "AI service used from a container", version = "1",
  description = "Needs to know which process a connection belongs to. Not seen: containers whose " ..
    "network ends at another machine or in a virtual one, and those whose connections a proxy makes. " ..
    "Units of systemd are no containers.",
}

rule "ai.container.use" {
  title = "AI service used from a container",
  severity = "low", type = "service", confidence = 80,
  on = "flow.classified",
  match = {
    service = { conclusive = true }, host_source = { "sni", "http" },
    process = { container = { set = true } },
    none = {
      { process = { container = { suffix = { "service", "slice" } } } }, -- user@1000.service
      { -- app-firefox-123.scope, but not machine-web.scope
        process = { container = { suffix = "scope" } },
        none = {
          { process = { container = { prefix = { "docker-", "libpod-", "crio-", "cri-", "machine-" } } } },
        },
      },
    },
  },
  params = { known = set {} }, -- containers
  when = function(flow, params) return not params.known[flow.process.container] end,
  finding = function(flow)
    local process = flow.process
    return {
      summary = ("%s in container %s uses %s: %s"):format(process.name or "A process", process.container,
        flow.service.name, flow.host),
      details = { container = process.container, program = process.path, command = process.command },
    }
  end,
  throttle = { by = { "process.container", "process.name", "service.id" }, every = "1d" },
  tags = { "atlas:AML.T0047" },
}
