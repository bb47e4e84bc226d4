-- Finds   users who collect models: more than 20 GiB in all within a month, each file counted once.
-- Misses  files that are no longer there, and others that are smaller than 50 MiB; models in images of
--         containers.
-- Change  `room`, the size that is in order; the folders of models that belong to the machine.
policy { title = "Many models on one host", version = "1" }

rule "cookbook.laptop_models" {
  title = "Many models on one host",
  severity = "low", type = "local_model", confidence = 85,
  on = "file",
  match = {
    file = { kind = "model", op = { "found", "created" }, path = { set = true }, size = { min = "50MiB" } },
    none = { { file = { path = { prefix = { "/srv/models/", "/usr/share/" } } } } },
  },
  params = { room = size "20GiB" },
  when = function(flow, params)
    local user = flow.user or "nobody"
    local new = state.first(user .. "|" .. flow.file.path, "30d") -- each sweep finds it again
    return new and state.sum(user, flow.file.size, "30d") > params.room
  end,
  finding = function(flow)
    local all = state.get(flow.user or "nobody", "30d")
    return {
      severity = all > size "100GiB" and "medium" or nil,
      summary = ("%s has models of %s, the latest %s"):format(flow.user or "Nobody known", bytes(all),
        flow.file.path),
    }
  end,
  throttle = { by = "user", every = "7d" },
  tags = { "atlas:AML.T0010" },
}
