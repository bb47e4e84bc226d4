-- What is there rather than what happens: extensions, packages that a running program has loaded, GPUs in
-- use.
policy {
  title = "AI extensions, packages and GPU use", version = "1",
  description = "Extensions and packages are those of the catalogue (policies/catalogue/sdk.tsv). Not " ..
    "seen: extensions that were loaded by hand from a folder, packages that are compiled into a " ..
    "program, what a GPU computes.",
}

rule "ai.inventory.extension" {
  title = "AI extension installed",
  severity = "low", type = "inventory", confidence = 90,
  on = "inventory",
  match = { inventory = { kind = "extension" } },
  params = { known = set {} }, -- names of extensions that may be
  when = function(event, params) return not params.known[event.inventory.name] end,
  finding = function(event)
    local found = event.inventory
    return {
      summary = ("AI extension of %s for %s: %s %s"):format(found.app or "a program",
        event.user or "an unknown user", found.name or "without a name", found.version or ""),
      details = { app = found.app, name = found.name, version = found.version, path = found.path },
    }
  end,
  throttle = { by = { "user", "inventory.app", "inventory.name" }, every = "30d" },
  tags = { "atlas:AML.T0047" },
}

-- A program that has loaded it. With a GPU in use by the same program it makes 70 %: a model of its own.
rule "ai.inventory.sdk" {
  title = "AI package in use",
  severity = "info", type = "inventory", confidence = 85,
  on = "inventory",
  match = { inventory = { kind = "package" }, process = { name = { set = true } } },
  params = { known = set {} }, -- names of packages
  when = function(event, params) return not params.known[event.inventory.name] end,
  finding = function(event)
    local found = event.inventory
    return {
      summary = ("%s, run by %s, uses the package %s %s"):format(event.process.name,
        event.user or "an unknown user", found.name or "without a name", found.version or ""),
      details = {
        name = found.name, version = found.version, path = found.path, command = event.process.command,
        container = event.process.container,
      },
    }
  end,
  throttle = { by = { "user", "process.name", "inventory.name" }, every = "7d" },
  indicator = { kind = "package", weight = 50, about = "process.name" },
  tags = { "atlas:AML.T0047" },
}

-- One that lies about is only counted: it comes with other programs, too.
rule "ai.inventory.package" {
  title = "AI package installed",
  severity = "info", type = "inventory", confidence = 60,
  on = "inventory", action = "observe",
  match = { inventory = { kind = "package" }, process = { name = { set = false } } },
  throttle = { by = { "inventory.name", "inventory.path" }, every = "30d" },
}

rule "ai.inventory.gpu" {
  title = "GPU in use by a program that is not known for it",
  severity = "low", type = "inventory", confidence = 60,
  on = "inventory",
  match = { inventory = { kind = "gpu" }, process = { name = { set = true } }, tool = { set = false } },
  params = {
    -- Desktops, browsers, players and what looks after the device. Names of 15 bytes on Linux.
    known = set {
      "Xorg", "Xwayland", "gnome-shell", "mutter", "kwin_x11", "kwin_wayland", "plasmashell", "sway",
      "Hyprland",
      "weston", "gnome-control-c", "firefox", "firefox-esr", "chrome", "chromium", "chromium-browse",
      "msedge",
      "brave", "electron", "code", "vlc", "mpv", "obs", "blender", "steam", "nvidia-persiste", "nvidia-smi",
      "nvtop", "dcgm-exporter", "nv-hostengine",
    },
  },
  when = function(event, params) return not params.known[event.process.name] end,
  finding = function(event)
    local process = event.process
    return {
      summary = ("%s, run by %s, uses a GPU: %s"):format(process.name, event.user or "an unknown user",
        event.inventory.name or event.inventory.path or "of unknown name"),
      details = {
        path = process.path, command = process.command, hash = process.hash, agent = process.agent,
        container = process.container,
      },
    }
  end,
  throttle = { by = { "user", "process.name", "process.path" }, every = "7d" },
  indicator = { kind = "gpu", weight = 40, about = "process.name" },
  tags = { "atlas:AML.T0040" },
}
