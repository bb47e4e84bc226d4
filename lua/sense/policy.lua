-- `rule` and `policy` declarations: collected, validated in full, and laid flat for lua/policy.c.
local host = ...

local env, event, api, match = host.env, host.event, host.api, host.match
local suggest, values_of, sorted = match.suggest, match.values_of, match.sorted
local shown = match.shown
local floor, find, gmatch = math.floor, string.find, string.gmatch
local RULES_MAX = 4096

local rules, problems, first_at = {}, {}, {}
local file, name, text, mode -- of the policy that is being loaded; mode: a place in api.actions, or nil

-- ---- problems ----------------------------------------------------------------------------------

-- Lua does not say on which line a key stands: the first line from the rule's own on that sets it.
local function line_of(key, from)
  if not from then return nil end
  local words, number, at = {}, 0, from
  for word in gmatch(key, "[%a_][%w_]*") do words[#words + 1] = word end
  for line in gmatch(text .. "\n", "(.-)\n") do
    number = number + 1
    if number > from and find(line, "^%s*rule[%s(\"']") then break end
    while number >= from and words[1] and find(line, "%f[%w_]" .. words[1] .. "%s*=") do
      at = number
      table.remove(words, 1)
    end
  end
  return at
end

local function problem(line, rule, key, message)
  problems[#problems + 1] = { file = file, line = line, rule = rule, key = key, message = message }
end

local function failure(rule)
  return function(key, message)
    problem(line_of(key, rule.line), rule.id, key, message)
  end
end

-- ---- one key -----------------------------------------------------------------------------------

local check = {}

function check.text(spec, value, fail)
  if type(value) ~= "string" then return fail(spec[1], "takes a text, not a " .. type(value)) end
  if #value > spec.max then return fail(spec[1], ("is longer than %d bytes"):format(spec.max)) end
  if value == "" or find(value, "%z") then return fail(spec[1], "must not be empty or hold a NUL") end
  return value
end

function check.choice(spec, value, fail)
  for i, word in ipairs(spec.of) do
    if value == word then return word, i end
  end
  fail(spec[1], ("%s is not one of %s%s"):format(shown(value), table.concat(spec.of, ", "),
    suggest(value, spec.of)))
end

function check.number(spec, value, fail)
  if type(value) == "number" and value >= spec.min and value <= spec.max then return floor(value + 0.5) end
  fail(spec[1], ("takes a number from %d to %d"):format(spec.min, spec.max))
end

function check.texts(spec, value, fail)
  local list = values_of(value)
  if not list or #list > spec.most then
    return fail(spec[1], ("takes a list of at most %d texts"):format(spec.most))
  end
  for _, entry in ipairs(list) do
    if not check.text({ spec[1], max = spec.max }, entry, fail) then return nil end
  end
  return list
end

function check.events(spec, value, fail)
  local bits = 0
  local list = values_of(value)
  if not list or #list == 0 then return fail(spec[1], "takes an event or a list of events") end
  for _, wanted in ipairs(list) do
    local bit_of
    for i, known in ipairs(host.events) do
      if known == wanted then bit_of = 2 ^ (i - 1) end
    end
    if not bit_of then
      return fail(spec[1], ("%s is not an event%s (events: %s)"):format(shown(wanted),
        suggest(wanted, host.events), table.concat(host.events, ", ")))
    end
    bits = bit.bor(bits, bit_of)
  end
  return bits
end

function check.engine(spec, value, fail)
  if type(value) ~= "string" or not find(value, "^%d+%.%d+$") and not find(value, "^%d+%.%d+%.%d+$") then
    return fail(spec[1], ("takes a version such as \"0.3\", not %s"):format(shown(value)))
  end
  if host.version_at_least(value) then return value end
  fail(spec[1], ("this policy is written for %s or later, and this agent is %s"):format(value, host.version))
end

function check.call(spec, value, fail)
  if type(value) ~= "function" then return fail(spec[1], "takes a function, not a " .. type(value)) end
  return value
end

local function throttle_fields(by, fail, on)
  local list = values_of(by)
  if not list or #list == 0 or #list > 6 then return fail("throttle.by", "takes 1 to 6 fields") end
  local numbers = {}
  for i, wanted in ipairs(list) do
    numbers[i] = match.field_number[event.aliases[wanted] or wanted]
    local name = event.aliases[wanted] or wanted
    if not numbers[i] then
      return fail("throttle.by", ("%s is not a field%s"):format(shown(wanted),
        suggest(wanted, match.field_names)))
    end
    match.known_on(name, on, function(_, why) fail("throttle.by", name .. " " .. why) end)
  end
  return numbers
end

function check.throttle(spec, value, fail, out)
  if type(value) ~= "table" then return fail(spec[1], "takes { by = { ... }, every = \"10m\" }") end
  for _, key in ipairs(sorted(value)) do
    if key ~= "by" and key ~= "every" then
      fail("throttle." .. tostring(key), "unknown key" .. suggest(key, api.throttle))
    end
  end
  local seconds = value.every
  if type(seconds) == "string" then seconds = host.duration_parse(seconds) end
  if type(seconds) ~= "number" or not (seconds > 0 and seconds <= 31536000) then
    return fail("throttle.every", "takes a duration such as \"10m\", at most 365d")
  end
  local by = value.by ~= nil and throttle_fields(value.by, fail, out.on) or nil
  if value.by == nil then fail("throttle.by", "is missing: fields that make up one key") end
  return by and { by = by, us = floor(seconds * 1e6) }
end

-- What an indicator is about: a name or an address, so that people recognise it.
local function about_field(about, fail)
  local field = match.field_number[event.aliases[about] or about]
  if not field then
    return fail("indicator.about", ("%s is not a field%s"):format(shown(about),
      suggest(about, match.field_names)))
  end
  local kind = api.fields[field + 1][2]
  if kind ~= "string" and kind ~= "address" then
    return fail("indicator.about", ("%s is neither a text nor an address"):format(shown(about)))
  end
  return field
end

function check.indicator(spec, value, fail)
  if type(value) == "number" then value = { weight = value } end
  if type(value) ~= "table" then
    return fail(spec[1], "takes a weight from 1 to 100, or { kind = \"dns\", weight = 40 }")
  end
  for _, key in ipairs(sorted(value)) do
    local known = false
    for _, name in ipairs(api.indicator) do known = known or key == name end
    if not known then fail("indicator." .. tostring(key), "unknown key" .. suggest(key, api.indicator)) end
  end
  local weight, kind = value.weight, value.kind
  if type(weight) ~= "number" or not (weight >= 1 and weight <= 100) then
    return fail("indicator.weight", "takes a number from 1 to 100, where 100 is conclusive")
  end
  if kind ~= nil and (type(kind) ~= "string" or #kind > 24 or not find(kind, "^%l[%l%d_.%-]*$")) then
    return fail("indicator.kind", "takes a word of at most 24 small letters, digits, '.', '_' and '-'")
  end
  local about = value.about ~= nil and about_field(value.about, fail) or nil
  return { weight = floor(weight + 0.5), kind = kind, about = about }
end

function check.match(_, value, fail, out)
  return match.conditions(value, fail, out.on)
end

local function freezable(value, depth)
  if env.behind[value] then return true end
  local kind = type(value)
  if kind ~= "table" then return kind == "string" or kind == "number" or kind == "boolean" end
  if depth > 6 then return false end
  for k, v in pairs(value) do
    if type(k) == "table" or not freezable(v, depth + 1) then return false end
  end
  return true
end

function check.params(spec, value, fail)
  if type(value) ~= "table" then return fail(spec[1], "takes a table") end
  for _, key in ipairs(sorted(value)) do
    if not freezable(value[key], 1) then
      return fail("params." .. tostring(key), "holds texts, numbers, booleans, sets and tables of these")
    end
  end
  return env.freeze(value, "params")
end

-- ---- a declaration as a whole ------------------------------------------------------------------

local keys_of = {} -- specs -> their keys, as a set
for _, specs in ipairs({ api.rule, api.policy }) do
  keys_of[specs] = {}
  for _, spec in ipairs(specs) do keys_of[specs][spec[1]] = true end
end

local function checked(specs, given, fail)
  local known, strange, out = keys_of[specs], {}, {}
  for key in pairs(given) do
    if not known[key] then strange[key] = true end
  end
  for _, key in ipairs(sorted(strange)) do
    fail(tostring(key), "unknown key" .. suggest(key, sorted(known)))
  end
  for _, spec in ipairs(specs) do
    local value = given[spec[1]]
    if value == nil then
      if spec.required then fail(spec[1], "is missing: " .. spec.doc) end
      out[spec[1]] = spec.default
    else
      local good, index = check[spec.kind](spec, value, fail, out)
      out[spec[1]] = good
      if index then out[spec[1] .. "_index"] = index end
    end
  end
  return out
end

-- The weaker of what the rule asks for and what its file's mode allows.
local function capped(action)
  for i, word in ipairs(api.actions) do
    if word == action or i == mode then return word end
  end
end

local activity_bit
for i, name in ipairs(host.events) do
  if name == "activity" then activity_bit = 2 ^ (i - 1) end
end

local function validate(rule)
  local before = #problems
  local fail = failure(rule)
  if host.override then host.override(rule, fail) end -- params of a test (test.lua), or of a server (params.lua)
  local out = checked(api.rule, rule.given, fail)
  if out.indicator and out.on and bit.band(out.on, activity_bit) ~= 0 then
    fail("indicator", "indicators make activity events, so a rule on \"activity\" cannot be one")
  end
  if #problems > before then return nil end
  local params = out.params or env.freeze({}, "params")
  out.id, out.line, out.file, out.policy = rule.id, rule.line, file, name
  out.severity = out.severity_index - 1
  out.action = capped(out.action)
  out.match = out.match or { conditions = {}, shared = 0, clauses = {} }
  out.tags = out.tags or {}
  out.params = nil
  out.when = out.when and event.bind(out.when, params)
  out.finding = out.finding and event.bind(out.finding, params)
  return out
end

local function check_id(id, line)
  if type(id) ~= "string" or #id > 100 or not find(id, "^[%w_][%w_.%-]*$") then
    problem(line, nil, nil,
      "a rule's id is a text of letters, digits, '.', '_' and '-', as in rule \"ai.upload\" { ... }")
    return false
  end
  if first_at[id] then
    problem(line, id, nil, "this id is already used at " .. first_at[id])
    return false
  end
  first_at[id] = ("%s:%d"):format(file, line)
  return true
end

local function declare_rule(pending)
  return function(id, body)
    if pending.over then error("rules are declared while their file is loaded, not later", 2) end
    local line = host.where(2) or 0
    local rule = { id = id, line = line, usable = check_id(id, line) }
    local function take(given)
      if rule.given then error(("rule %q was already declared"):format(tostring(id)), 2) end
      if type(given) ~= "table" then
        error(("rule %q takes a table, as in rule \"id\" { ... }"):format(tostring(id)), 2)
      end
      rule.given = given
    end
    pending[#pending + 1] = rule
    if #pending > RULES_MAX then error("too many rules in one file", 2) end
    if body == nil then return take end
    take(body)
  end
end

local function declare_policy(pending)
  local seen = false
  return function(given)
    if pending.over then error("a policy is declared while its file is loaded, not later", 2) end
    local line = host.where(2)
    local function fail(key, message) problem(line_of(key, line), nil, "policy." .. key, message) end
    if type(given) ~= "table" then
      return problem(line, nil, nil, "policy takes a table, as in policy { title = \"...\" }")
    end
    if seen then return problem(line, nil, nil, "a file has one policy declaration") end
    seen = true
    mode = checked(api.policy, given, fail).mode_index
  end
end

-- ---- a file ------------------------------------------------------------------------------------

local function script_problem(raised)
  local said = type(raised) == "string" and raised or "raised a " .. type(raised) .. " as its error"
  local line, rest = string.match(said, "^.-:(%d+): (.*)$")
  problem(tonumber(line), nil, nil, rest or said)
end

-- Runs one policy. problem_in is the compiler's message when there is no chunk to run.
local function load(chunk, problem_in, in_file, policy_name, source)
  file, name, text, mode = in_file, policy_name, source, nil
  if not chunk then return script_problem(problem_in) end
  local pending = {}
  env.enclose(chunk, { rule = declare_rule(pending), policy = declare_policy(pending),
    state = host.state.of(policy_name) })
  local good, raised = pcall(chunk)
  pending.over = true
  if not good then
    if raised == env.BUDGET then error(raised, 0) end
    script_problem(raised)
  end
  for _, rule in ipairs(pending) do
    if not rule.given then
      if good then problem(rule.line, rule.id, nil, "has no body: rule \"id\" { ... }") end
    elseif rule.usable then
      rules[#rules + 1] = validate(rule)
    end
  end
end

return { load = load, rules = rules, problems = problems }
