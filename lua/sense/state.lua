-- `state`: what rules count over time. Each policy has one of its own, and sees nothing of the others'.
--
-- A call is checked here and made in C (core/rules/state.h) by the event's time. It compiles into the
-- rule's trace: no table is made, nothing is interned but the key that the author wrote.
local host = ...

local ffi, env, calls = host.ffi, host.env, host.state_calls
local duration_parse, nearest, functions = host.duration_parse, host.nearest, host.functions
local fail = host.check.fail
local type, tostring, setmetatable, rawget = type, tostring, setmetatable, rawget
local format, loadstring = string.format, loadstring

local WINDOW_MIN, WINDOW_MAX = 1e6, 30 * 86400e6 -- as in core/rules/sliding.h
local NUMBER_MAX = 2 ^ 53 -- every integer up to here is exact, and no sum of these is infinite
local REMEMBERED = 256 -- texts of windows; further ones are parsed each time

local function function_at(type_name, name)
  return ffi.cast(type_name, ffi.cast("uintptr_t", calls[name]))
end

local self = function_at("void *", "self")
local plain = "double (*)(void *, double, const char *, uint32_t, double)"
local c = {
  sum = function_at("double (*)(void *, double, const char *, uint32_t, double, double)", "sum"),
  distinct = function_at("double (*)(void *, double, const char *, uint32_t, double, const char *, uint32_t)",
    "distinct"),
  get = function_at(plain, "get"),
  first = function_at(plain, "first"),
  last = function_at(plain, "last"),
}

-- ---- arguments ---------------------------------------------------------------------------------

local function shown(value)
  if type(value) == "string" then return "'" .. value:sub(1, 40) .. "'" end
  if type(value) == "number" or value == nil then return tostring(value) end
  return "a " .. type(value)
end

-- As authors write them ("1h", 3600) to microseconds: filled as they are met.
local windows, remembered = {}, 0

local function window_of(name, window)
  local us
  if type(window) == "string" then
    us = duration_parse(window)
  elseif type(window) == "number" then
    us = window
  end
  if not us then fail("state.%s: window must be a duration such as \"1h\", not %s", name, shown(window)) end
  us = us * 1e6
  if not (us >= WINDOW_MIN and us <= WINDOW_MAX) then
    fail("state.%s: window must be from 1s to 30d, not %s", name, shown(window))
  end
  if remembered < REMEMBERED then
    remembered = remembered + 1
    windows[window] = us
  end
  return us
end

local function text_of(name, what, value)
  if type(value) == "number" then return value .. "" end
  fail("state.%s: %s must be a text or a number, not %s", name, what, shown(value))
end

local function bad_number(name, value)
  fail("state.%s: n must be a finite number of at most 2^53, not %s", name, shown(value))
end

local function no_event()
  fail("state can be used in when and finding only")
end

-- ---- a policy's own ----------------------------------------------------------------------------

-- One chunk a policy, so that its functions are compiled for it alone; a C function that has no event
-- to count for answers with NaN.
local CHUNK = [[
local policy, self, c, windows, window_of, text_of, bad_number, no_event, type = ...
local c_sum, c_distinct, c_get, c_first, c_last = c.sum, c.distinct, c.get, c.first, c.last

local function sum(key, n, window)
  local us = windows[window] or window_of("sum", window)
  if type(key) ~= "string" then key = text_of("sum", "key", key) end
  if type(n) ~= "number" or not (n >= -NUMBER_MAX and n <= NUMBER_MAX) then bad_number("sum", n) end
  local answer = c_sum(self, policy, key, #key, us, n)
  if answer ~= answer then no_event() end
  return answer
end

local function count(key, window)
  local us = windows[window] or window_of("count", window)
  if type(key) ~= "string" then key = text_of("count", "key", key) end
  local answer = c_sum(self, policy, key, #key, us, 1)
  if answer ~= answer then no_event() end
  return answer
end

local function distinct(key, value, window)
  local us = windows[window] or window_of("distinct", window)
  if type(key) ~= "string" then key = text_of("distinct", "key", key) end
  if type(value) ~= "string" then value = text_of("distinct", "value", value) end
  local answer = c_distinct(self, policy, key, #key, us, value, #value)
  if answer ~= answer then no_event() end
  return answer
end

local function get(key, window)
  local us = windows[window] or window_of("get", window)
  if type(key) ~= "string" then key = text_of("get", "key", key) end
  local answer = c_get(self, policy, key, #key, us)
  if answer ~= answer then no_event() end
  return answer
end

local function first(key, window)
  local us = windows[window] or window_of("first", window)
  if type(key) ~= "string" then key = text_of("first", "key", key) end
  local answer = c_first(self, policy, key, #key, us)
  if answer ~= answer then no_event() end
  return answer ~= 0
end

local function last(key)
  if type(key) ~= "string" then key = text_of("last", "key", key) end
  local answer = c_last(self, policy, key, #key, 0)
  if answer ~= answer then no_event() end
  if answer ~= 0 then return answer end
  return nil
end

return { sum = sum, count = count, distinct = distinct, get = get, first = first, last = last }]]
CHUNK = CHUNK:gsub("NUMBER_MAX", format("%.0f", NUMBER_MAX))

local NAMES = {}
for i, spec in ipairs(functions.state) do NAMES[i] = spec.name end

local function missing(_, name)
  local near = type(name) == "string" and nearest(name, NAMES)
  fail("state has no '%s'%s", tostring(name), near and ", did you mean '" .. near .. "'?" or "")
end

functions.same("a function of state", functions.state,
  loadstring(CHUNK, "=state")(0, self, c, windows, window_of, text_of, bad_number, no_event, type))

-- Made when it is first used: most policies never do.
local function of(policy_name)
  local view, meta = env.readonly({}, "state")
  meta.__index = function(_, name)
    local calls_of = loadstring(CHUNK, "=state")(host.state_policy(policy_name), self, c, windows, window_of,
      text_of, bad_number, no_event, type)
    meta.__index = setmetatable(calls_of, { __index = missing })
    return rawget(calls_of, name) or missing(calls_of, name)
  end
  return view
end

return { of = of }
