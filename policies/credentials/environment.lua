-- Keys of AI services in the environment of programs: every program that is started there can read and send
-- them.
policy {
  title = "AI keys in an environment", version = "1",
  description = "Names of variables, never values. Not seen: keys in files and in the stores of " ..
    "keyrings. That a variable is set does not say that it holds a key that works.",
}

rule "ai.credential.environment" {
  title = "Keys of AI services in the environment of programs",
  severity = "info", type = "credential", confidence = 70,
  on = "process.start",
  match = { process = { markers = { set = true } } },
  params = { key = { "_KEY", "_TOKEN", "_SECRET", "_PAT" } }, -- what stands in the names of such variables
  when = function(event, params) return contains(event.process.markers, params.key) end,
  finding = function(event)
    return {
      summary = ("Programs of %s are given keys of AI services: %s"):format(event.user or "an unknown user",
        event.process.markers),
      details = {
        program = event.process.name, path = event.process.path, container = event.process.container,
      },
    }
  end,
  -- A shell hands them to all that it starts: one finding for all of these.
  throttle = { by = { "user", "process.markers" }, every = "7d" },
  tags = { "atlas:AML.T0055" },
}
