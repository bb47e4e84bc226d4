-- Finds   a program started by an agent that reaches the Internet: curl that fetches a script, ssh, a test
--         that calls a service. Gravely where more is sent than is fetched.
-- Misses  what the agent sends by itself; connections whose process is not known.
-- Change  the hosts from which agents may fetch, packages above all; `much`.
policy { title = "Children of agents on the Internet", version = "1" }

rule "cookbook.agent_reaches_out" {
  title = "Program started by an agent reaches the Internet",
  severity = "low", type = "agent", confidence = 80,
  on = "flow.end", -- when it is known how much went which way
  match = {
    process = { agent = { set = true } }, tool = { set = false }, dst_scope = "public",
    none = {
      { dst_port = { 53, 123 } },
      { host = { suffix = {
        "npmjs.org", "pypi.org", "pythonhosted.org", "crates.io", "golang.org", "github.com", "debian.org",
      } } },
    },
  },
  params = { much = size "1MiB" },
  finding = function(flow, params)
    local leaks = flow.bytes_up >= params.much and flow.bytes_up > flow.bytes_down
    return {
      severity = leaks and "high" or nil,
      summary = ("%s, started by %s for %s, sent %s to %s and got %s"):format(
        flow.process.name or "A program", flow.process.agent, flow.user or "somebody", bytes(flow.bytes_up),
        flow.host or flow.dst_ip, bytes(flow.bytes_down)),
      details = { command = flow.process.command, ancestors = flow.process.ancestors },
    }
  end,
  throttle = { by = { "user", "process.agent", "process.name", "host", "dst_ip" }, every = "1d" },
  tags = { "atlas:AML.T0086" },
}
