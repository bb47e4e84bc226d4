local function gap(t, what, where, why, count)
  t:event("gap", { gap = { what = what, where = where, why = why, count = count } })
end

test("packets that were dropped", function(t)
  gap(t, "packets", "eth0", "the ring is full", 1200)
  t:expect("ai.coverage.packets", { severity = "medium", type = "coverage",
    summary = "packets not seen at eth0: the ring is full (1200 in 1h)",
    evidence = { "gap:packets not seen at eth0: the ring is full" },
    details = { what = "packets", where = "eth0", why = "the ring is full", count = 1200 } })
  t:only()
end)

test("what is not known of them is left out", function(t)
  gap(t, "packets")
  t:expect("ai.coverage.packets", { summary = "packets not seen" })
  gap(t, "packets", "eth0", "the interface is gone or down")
  t:expect("ai.coverage.packets", { summary = "packets not seen at eth0: the interface is gone or down" })
  gap(t, "files")
  t:expect("ai.coverage.host", { summary = "files not seen" })
  gap(t, nil, "/home", "not permitted", 3)
  t:only()
end)

test("processes, sockets and files that were not seen", function(t)
  gap(t, "files", "/home/ada", "Permission denied", 1)
  t:expect("ai.coverage.host", { severity = "low",
    summary = "files not seen at /home/ada: Permission denied (1 in 6h)",
    details = { what = "files", where = "/home/ada", why = "Permission denied", count = 1 } })
  gap(t, "processes", "/proc", "Operation not permitted", 40)
  gap(t, "sockets", nil, "No buffer space available", 7)
  t:expect("ai.coverage.host", { summary = "sockets not seen: No buffer space available (7 in 6h)" })
  t:expect("ai.coverage.host"):times(3)
  t:only()
end)

test("an interface is told once an hour, with all that was missed", function(t)
  gap(t, "packets", "eth0", "full", 10)
  t:wait "20m"
  gap(t, "packets", "eth0", "full", 20)
  t:wait "45m"
  gap(t, "packets", "eth0", "full", 30)
  t:expect("ai.coverage.packets", { details = { count = 10 } })
  t:expect("ai.coverage.packets", { details = { count = 50, suppressed = 1 } })
  gap(t, "packets", "eth1", "full", 5)
  t:expect("ai.coverage.packets", { details = { count = 5 } })
  gap(t, "packets", "eth0", "down")
  t:expect("ai.coverage.packets"):times(4)
end)

test("a reason is told once in six hours, however many folders it is about", function(t)
  gap(t, "files", "/home/ada", "Permission denied", 1)
  t:wait "1h"
  gap(t, "files", "/home/bob", "Permission denied", 2)
  t:expect "ai.coverage.host"
  gap(t, "files", "/home/bob", "Input/output error", 1)
  gap(t, "processes", "/proc", "Permission denied", 1)
  t:expect("ai.coverage.host"):times(3)
  t:wait "330m"
  gap(t, "files", "/home/eve", "Permission denied", 4)
  t:expect("ai.coverage.host", { details = { where = "/home/eve", count = 6, suppressed = 1 } })
end)
