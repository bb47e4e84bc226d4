-- Two functions that tail-call each other.
-- expect: hard
local pong
local function ping(n) return pong(n + 1) end
function pong(n) return ping(n - 1) end
rule "hostile.recursion_mutual" {
  title = "hostile", severity = "info", on = "flow.classified",
  match = { host = "huggingface.co" },
  when = function(flow, params)
    return ping(1)
  end,
}
