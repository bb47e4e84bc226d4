-- A throttle of a thousand years.
-- expect: refused: at most 365d
rule "hostile.load_throttle" { title = "x", severity = "info", on = "flow.end", throttle = { by = "src_ip", every = 1e300 } }
