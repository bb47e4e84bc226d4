-- Tests of policies: a test function only writes down what is to happen and what is expected. C carries
-- it out through the engine (lua/tools/test_run.c); nothing of an engine is within a test's reach.
local host = ...

local env, match = host.env, host.match
local suggest, sorted, shown = match.suggest, match.sorted, match.shown
local field_number, field_names = match.field_number, match.field_names
local STEPS_MAX, TESTS_MAX, TIMES_MAX = 10000, 2000, 1000000
local START = 1767614400 * 1e6 -- Monday, 2026-01-05 12:00 UTC: each test begins then

local tests = {}
local plan, now, at -- of the test that is being written down; `at` is the line of the call in hand
local file -- as messages of Lua name it

-- ---- messages ----------------------------------------------------------------------------------

-- Each call of a test notes its line first, so that helpers need not count levels.
local function here() at = host.where(3) or 0 end

local function refuse(message, ...)
  error(("%s:%d: "):format(file, at or 0) .. message:format(...), 0)
end

local function add(step)
  if #plan.steps >= STEPS_MAX then refuse("a test has at most %d steps", STEPS_MAX) end
  step.line = at or 0
  plan.steps[#plan.steps + 1] = step
  return step
end

local function plain(value, what)
  local t = env.behind[value] or value
  if t == nil then return {} end
  if type(t) ~= "table" then refuse("%s takes a table, not a %s", what, type(t)) end
  return t
end

local function duration_of(value, what)
  local seconds = value
  if type(value) == "string" then seconds = host.duration_parse(value) end
  if type(seconds) ~= "number" or not (seconds >= 0 and seconds <= 31536000) then
    refuse("%s takes a time such as \"10m\", not %s", what, shown(value))
  end
  return seconds
end

-- ---- values of events --------------------------------------------------------------------------

local kind_of, groups, top = {}, {}, {}
for _, field in ipairs(host.fields) do
  local name = field[1]
  local group, key = name:match("^(.-)%.(.+)$")
  kind_of[name] = field[2]
  if group and not groups[group] then
    groups[group] = {}
    top[#top + 1] = group
  end
  if group then table.insert(groups[group], key) else top[#top + 1] = name end
end

local convert = {}

function convert.string(_, value) return type(value) == "string" and not value:find("%z") and value or nil end

function convert.boolean(_, value) if type(value) == "boolean" then return value end end

function convert.number(name, value)
  if type(value) == "number" then return value == value and value or nil end
  if type(value) ~= "string" then return nil end
  return (name == "duration" and host.duration_parse or host.bytes_parse)(value)
end

function convert.address(_, value)
  return type(value) == "string" and not value:find("/") and host.is_cidr(value) and value or nil
end

local example = { string = "a text", number = "a number such as 443 or \"1MiB\"", boolean = "true or false",
  address = "an address such as \"10.0.0.5\"" }

local function set_values(into, group, given)
  for _, key in ipairs(sorted(given)) do
    local name = group .. tostring(key)
    local value = given[key]
    local kind = kind_of[name]
    if kind then
      into[name] = convert[kind](name, value)
      if into[name] == nil then refuse("%s: %s is not %s", name, shown(value), example[kind]) end
    elseif group == "" and groups[key] and type(value) == "table" then
      set_values(into, key .. ".", value)
    elseif group == "" and groups[key] then
      refuse("%s takes a table of its fields (%s)", key, table.concat(groups[key], ", "))
    else
      refuse("unknown field '%s'%s", name, suggest(name, name:find(".", 1, true) and field_names or top))
    end
  end
  return into
end

-- What an event knows when the test does not say. Addresses are those of documentation (RFC 5737).
local NETWORK = { src_ip = "10.0.0.1", src_port = 50000, dst_ip = "203.0.113.10", dst_port = 443, l4 = 6,
  vlan = 0, packets_up = 0, packets_down = 0, bytes_up = 0, bytes_down = 0 }
local DEFAULT = {
  dns = { dst_port = 53, l4 = 17, host_source = "dns", ["dns.type"] = 1, ["dns.response"] = false },
  http = { dst_port = 80, host_source = "http", http_method = "GET", http_path = "/" },
  tls = { hello = "sni", host_source = "sni", tls_version = "TLSv1.3" },
}
local IS_NETWORK = { dns = true, http = true, tls = true, activity = true }

local function event_number(kind)
  for i, known in ipairs(host.events) do
    if known == kind then return i - 1 end
  end
  refuse("%s is not an event%s (events: %s)", shown(kind), suggest(kind, host.events),
    table.concat(host.events, ", "))
end

local function default(values, name, value)
  if values[name] == nil then values[name] = value end
end

-- Raises the event with these values; began: when its flow did.
local function raise(kind, values, began)
  local number, given = event_number(kind), {}
  for name, value in pairs(values) do given[name] = value end
  if kind:find("^flow%.") or IS_NETWORK[kind] then
    for name, value in pairs(DEFAULT[kind] or {}) do default(given, name, value) end
    for name, value in pairs(NETWORK) do default(given, name, value) end
    if kind == "dns" then
      default(given, "host", given["dns.name"])
      default(given, "dns.name", given.host)
    end
    if given.host then default(given, "host_source", "sni") else given.host_source = values.host_source end
    default(given, "first_ts", began or now)
    default(given, "last_ts", now)
    default(given, "duration", (now - (began or now)) / 1e6)
  end
  local list = {}
  for i, name in ipairs(sorted(given)) do list[i] = { number = field_number[name], value = given[name] } end
  add { op = "event", kind = number, ts = now, values = list }
end

-- ---- objects of a test -------------------------------------------------------------------------

-- A misspelt method is named, with the one that was meant.
local function object(methods, what)
  local names = sorted(methods)
  return setmetatable({}, { __metatable = false,
    __newindex = function() error(what .. " is read-only", 2) end,
    __index = function(_, key)
      if methods[key] then return methods[key] end
      error(("%s has no method '%s'%s"):format(what, tostring(key), suggest(key, names)), 2)
    end })
end

local FLOW = { new = "flow.new", classified = "flow.classified", update = "flow.update", finish = "flow.end",
  tls = "tls", http = "http" }

local function flow_object(values)
  local began, methods, self = now, {}, nil
  for method, kind in pairs(FLOW) do
    methods[method] = function(_, given)
      here()
      set_values(values, "", plain(given, method))
      raise(kind, values, began)
      return self
    end
  end
  self = object(methods, "a flow")
  return self
end

local function process_object(values)
  local methods = {}
  function methods.exit(_, given)
    here()
    raise("process.exit", set_values(values, "", plain(given, "exit")))
  end
  return object(methods, "a process")
end

local likes = setmetatable({}, { __mode = "k" })

local function like(text)
  if type(text) ~= "string" or text == "" then error("like takes a text that must be contained", 2) end
  local mark = env.readonly({}, "like")
  likes[mark] = text
  return mark
end

-- ---- what is expected --------------------------------------------------------------------------

local KEYS = { "severity", "type", "confidence", "host", "service", "service_name", "category", "summary",
  "source_ip", "source_port", "dest_ip", "dest_port", "process", "user", "action", "policy", "evidence",
  "tags", "details" }
local known_key = {}
for _, key in ipairs(KEYS) do known_key[key] = true end

local function wanted_value(keys, name, value)
  local kind, text = type(value), likes[value]
  if kind ~= "string" and kind ~= "number" and kind ~= "boolean" and not text then
    refuse("%s takes a text, a number, true, false or like \"...\", not a %s", name, kind)
  end
  keys[#keys + 1] = { key = name, like = text ~= nil, value = text or value }
end

local function wanted(given)
  local keys = {}
  for _, key in ipairs(sorted(given)) do
    local value, name = given[key], tostring(key)
    local list = type(value) == "table" and value or not likes[value] and env.behind[value]
    if name:find("^details%..") then
      wanted_value(keys, name, value)
    elseif not known_key[name] then
      refuse("a finding has no '%s'%s", name, suggest(name, KEYS))
    elseif name == "details" then
      for _, detail in ipairs(sorted(plain(value, "details"))) do
        wanted_value(keys, "details." .. tostring(detail), value[detail])
      end
    elseif (name == "evidence" or name == "tags") and list then
      for _, entry in ipairs(list) do wanted_value(keys, name, entry) end
    else
      wanted_value(keys, name, value)
    end
  end
  return keys
end

local function expect(rule, given, times)
  if type(rule) ~= "string" then refuse("the first argument is a rule's id, not a %s", type(rule)) end
  return add { op = "expect", rule = rule, times = times, keys = wanted(plain(given, "a finding")) }
end

-- What forbids would hold without any event: a test that begins with it tests nothing.
local function needs_events(method)
  for _, step in ipairs(plan.steps) do
    if step.op == "event" or step.op == "capture" then return end
  end
  refuse("%s stands before any event: it looks at what was found up to its place", method)
end

-- ---- the test itself ---------------------------------------------------------------------------

local methods = {}

function methods.flow(_, given)
  here()
  return flow_object(set_values({}, "", plain(given, "flow")))
end

function methods.process(_, given)
  here()
  local values = set_values({}, "", plain(given, "process"))
  raise("process.start", values)
  return process_object(values)
end

for _, kind in ipairs { "dns", "http", "tls", "listen", "file", "mcp", "inventory", "gap" } do
  methods[kind] = function(_, given)
    here()
    raise(kind, set_values({}, "", plain(given, kind)))
  end
end

function methods.event(_, kind, given)
  here()
  raise(kind, set_values({}, "", plain(given, "event")))
end

function methods.wait(_, time)
  here()
  now = now + math.floor(duration_of(time, "wait") * 1e6)
end

function methods.capture(_, path)
  here()
  if type(path) ~= "string" or path == "" or path:find("%z") then
    refuse("capture takes the path of a capture file, from the test's own folder")
  end
  add { op = "capture", path = path }
end

function methods.expect(_, rule, given)
  here()
  local step = expect(rule, given, 1)
  return object({ times = function(_, times)
    here()
    if type(times) ~= "number" or times < 0 or times > TIMES_MAX or times % 1 ~= 0 then
      refuse("times takes a whole number")
    end
    if times == 0 then needs_events("times(0)") end
    step.times = times
  end }, "an expectation")
end

function methods.forbid(_, rule, given)
  here()
  needs_events("forbid")
  expect(rule, given, 0)
end

function methods.nothing()
  here()
  needs_events("nothing")
  add { op = "nothing" }
end

function methods.only()
  here()
  plan.only = at
end

-- Lua that makes the value again, in the state of the policies: no value crosses from state to state.
local function literal(value, depth)
  local kind, t = type(value), env.behind[value] or type(value) == "table" and value
  if kind == "string" then return ("%q"):format(value) end
  if kind == "number" and value - value == 0 then return ("%.17g"):format(value) end
  if kind == "boolean" then return tostring(value) end
  if not t or likes[value] or depth > 6 then
    refuse("params hold texts, numbers, booleans, sets and tables of these")
  end
  local parts = {}
  for i, key in ipairs(sorted(t)) do
    parts[i] = env.behind[value] and literal(key, depth + 1)
      or ("[%s] = %s"):format(literal(key, depth + 1), literal(t[key], depth + 1))
  end
  return (env.behind[value] and "set { " or "{ ") .. table.concat(parts, ", ") .. " }"
end

function methods.params(_, rule, given)
  here()
  if type(rule) ~= "string" then refuse("params takes a rule's id, and a table") end
  local parts = {}
  for _, key in ipairs(sorted(plain(given, "params"))) do
    parts[#parts + 1] = ("[%s] = %s"):format(literal(key, 1), literal(given[key], 1))
  end
  plan.params[#plan.params + 1] = { rule = rule, line = at,
    text = ("[%q] = { %s }"):format(rule, table.concat(parts, ", ")) }
end

host.functions.same("a method of a test", host.functions.test, methods)

-- ---- files -------------------------------------------------------------------------------------

local function declare(name, body)
  local line = host.where(2) or 0
  if type(name) ~= "string" or name == "" or #name > 200 or name:find("%c") or type(body) ~= "function" then
    error("a test has a name and a function: test(\"what must hold\", function(t) ... end)", 2)
  end
  if #tests >= TESTS_MAX then error("more than " .. TESTS_MAX .. " tests in one file", 2) end
  for _, test in ipairs(tests) do
    if test.name == name then error(("a test of this name is at line %d already"):format(test.line), 2) end
  end
  tests[#tests + 1] = { name = name, line = line, body = body }
end

-- Runs a test file: gives the list of its tests. Raises what is wrong with the file.
local function load(chunk, in_file)
  file = in_file
  env.enclose(chunk, { test = declare, like = like })
  chunk()
  return tests
end

-- Gives what the test of this number wants to happen, and an error's message or nil.
local function record(number)
  plan, now, at = { steps = {}, params = {} }, START, tests[number].line
  local good, raised = pcall(tests[number].body, object(methods, "a test"))
  if raised == env.BUDGET then error(raised, 0) end
  if not good then return plan, type(raised) == "string" and raised or "raised a " .. type(raised) end
  return plan
end

-- In the state of the policies: lets the table that the chunk gives replace params of rules.
local function override(chunk)
  env.enclose(chunk)
  local all = chunk()
  host.override = function(rule)
    local own = all[rule.id]
    if not own or not rule.given then return end
    local params, given = env.behind[rule.given.params] or rule.given.params, {}
    for key, value in pairs(rule.given) do given[key] = value end
    given.params = {}
    for key, value in pairs(type(params) == "table" and params or {}) do given.params[key] = value end
    for key, value in pairs(own) do
      if given.params[key] == nil then
        error(("t:params(\"%s\"): the rule has no param '%s'%s"):format(rule.id, tostring(key),
          suggest(key, sorted(given.params))), 0)
      end
      given.params[key] = value
    end
    rule.given = given
  end
end

return { load = load, record = record, override = override }
