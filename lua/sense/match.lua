-- From the `match` of a rule to the flat conditions that core/rules compiles into its index.
local host = ...

local OP, api, formula, behind = host.ops, host.api, host.formula, host.env.behind
local LIST_MAX, TEXT_MAX, DEPTH_MAX = 4096, 1024, 4

local combines = {} -- any, all and none, as a set
for _, word in ipairs(api.combinators) do combines[word] = true end

local field_number, field_type, field_events, field_names = {}, {}, {}, {}
local children = { [""] = {} } -- group -> what can stand in its table
for i, field in ipairs(api.fields) do
  local name = field[1]
  field_number[name], field_names[i] = i - 1, name
  field_type[name], field_events[name] = field[2], field[4]
  local group, key = name:match("^(.-)%.(.+)$")
  if group then
    if not children[group] then
      children[group] = {}
      table.insert(children[""], group)
    end
    table.insert(children[group], key)
  else
    table.insert(children[""], name)
  end
end

for _, word in ipairs(api.combinators) do table.insert(children[""], word) end

local function suggest(word, names)
  local near = type(word) == "string" and host.nearest(word, names)
  return near and (", did you mean '%s'?"):format(near) or ""
end

-- A value in a message: quoted and cut.
local function shown(value)
  if type(value) == "number" then return tostring(value) end
  if type(value) ~= "string" then return "a " .. type(value) end
  return #value > 60 and "'" .. value:sub(1, 60) .. "...'" or "'" .. value .. "'"
end

-- The table behind a set or params, or the table itself.
local function plain(value)
  return behind[value] or (type(value) == "table" and value) or nil
end

local function is_set(value)
  return behind[value] ~= nil
end

local function before(a, b) return tostring(a) < tostring(b) end

-- A list's values, a set's members, or the one value; nil when it is something else.
local function values_of(value)
  local t = plain(value)
  if not t then return { value } end
  local list = {}
  if is_set(value) then
    for member in pairs(t) do list[#list + 1] = member end
    table.sort(list, before)
    return list
  end
  local n = 0
  for _ in pairs(t) do n = n + 1 end
  if n ~= #t then return nil end
  for i = 1, n do list[i] = t[i] end
  return list
end

-- How many, as a number: sizes in bytes, or seconds where the field is a time span.
local function number_of(name, value)
  if type(value) == "number" then return value == value and value or nil end
  if type(value) ~= "string" then return nil end
  if name == "duration" then return host.duration_parse(value) end
  return host.bytes_parse(value)
end

local example = { string = "a text", number = "a number such as 443 or \"1MiB\"", boolean = "true or false",
  address = "an address or network such as \"10.0.0.0/8\"" }

local function convert(name, value)
  local kind = field_type[name]
  if kind == "number" then return number_of(name, value) end
  if kind == "boolean" then if type(value) == "boolean" then return value end return nil end
  if type(value) ~= "string" or #value > TEXT_MAX or value:find("\0", 1, true) then return nil end
  if kind == "address" and not host.is_cidr(value) then return nil end
  return value
end

local list_name = { string = "strings", number = "numbers", address = "cidrs" }

local function list_condition(add, fail, name, key, op, value, negate)
  local kind = field_type[name]
  local list = values_of(value)
  if not list then return fail(key, "takes one value or a list of values") end
  if #list == 0 then return fail(key, "an empty list never matches") end
  if #list > LIST_MAX then return fail(key, ("has more than %d values"):format(LIST_MAX)) end
  local converted = {}
  for i = 1, #list do
    converted[i] = convert(name, list[i])
    if converted[i] == nil then
      return fail(key, ("%s is not %s"):format(shown(list[i]), example[kind]))
    end
  end
  if kind == "boolean" then
    if #converted > 1 then return fail(key, "takes true or false") end
    return add { field = field_number[name], op = OP["in"], negate = negate, boolean = converted[1] }
  end
  add { field = field_number[name], op = kind == "address" and OP.cidr or op, negate = negate,
    [list_name[kind]] = converted }
end

-- Host names are kept in lower case; a suffix stands for the name itself and all below it.
local function suffix_list(fail, key, value)
  local list = values_of(value)
  if not list then return value end
  for i = 1, #list do
    if type(list[i]) == "string" then
      local bare = string.gsub(list[i]:lower(), "^%*?%.", "")
      if bare == "" then fail(key, "an empty name") return nil end
      list[i] = bare
    end
  end
  return list
end

local function range_condition(add, fail, name, key, value)
  local low, high = number_of(name, value.min or -math.huge), number_of(name, value.max or math.huge)
  if not low then return fail(key .. ".min", "is not " .. example.number) end
  if not high then return fail(key .. ".max", "is not " .. example.number) end
  if low > high then return fail(key, "min is greater than max: never matches") end
  add { field = field_number[name], op = OP.range, min = low, max = high }
end

local ops_of = {} -- type -> its conditions, as a set
for kind, allowed in pairs(api.ops) do
  ops_of[kind] = {}
  for _, op in ipairs(allowed) do ops_of[kind][op] = true end
end

local function keyed_conditions(add, fail, name, key, value)
  local allowed, known = api.ops[field_type[name]], ops_of[field_type[name]]
  for op in pairs(value) do
    if not known[op] then
      fail(key .. "." .. tostring(op), ("is not a condition on %s%s (it takes: %s)"):format(name,
        suggest(op, allowed), table.concat(allowed, ", ")))
    end
  end
  local function list(op, opcode, negate, given)
    if value[op] ~= nil and known[op] then
      list_condition(add, fail, name, key .. "." .. op, opcode, given or value[op], negate)
    end
  end
  list("any", OP["in"], false)
  list("one_of", OP["in"], false)
  list("none", OP["in"], true)
  list("cidr", OP.cidr, false)
  list("prefix", OP.prefix, false)
  if known.suffix and value.suffix ~= nil then
    local names = suffix_list(fail, key .. ".suffix", value.suffix)
    if names then list("suffix", OP.suffix, false, names) end
  end
  if known.min and (value.min ~= nil or value.max ~= nil) then
    range_condition(add, fail, name, key, value)
  end
  if value.set ~= nil and known.set then
    if type(value.set) ~= "boolean" then return fail(key .. ".set", "takes true or false") end
    add { field = field_number[name], op = OP.set, boolean = value.set }
  end
end

local function field_conditions(add, fail, name, key, value)
  local t = plain(value)
  local has_keys = false
  for k in pairs((not is_set(value) and t) or {}) do
    if type(k) == "string" then has_keys = true end
  end
  if has_keys then return keyed_conditions(add, fail, name, key, t) end
  return list_condition(add, fail, name, key, OP["in"], value, false)
end

-- Keys in a fixed order, so that messages and conditions do not depend on the table's.
local function sorted(t)
  local keys = {}
  for k in pairs(t) do keys[#keys + 1] = k end
  if #keys > 1 then table.sort(keys, before) end
  return keys
end

local function event_names(bits)
  local names = {}
  for i, name in ipairs(host.events) do
    if bit.band(bits, 2 ^ (i - 1)) ~= 0 then names[#names + 1] = name end
  end
  return table.concat(names, ", ")
end

-- Is the field ever known on one of these events (bits)? nil stands for events that are not known.
local function known_on(name, on, fail, key)
  if not on or bit.band(field_events[name], on) ~= 0 then return end
  fail(key, ("is never known on %s (it is on: %s)"):format(event_names(on),
    event_names(field_events[name])))
end

-- `to` is where it all goes: add(condition), fail(key, message), and the events `on` of the rule.
local function walk(to, group, path, t)
  for _, k in ipairs(sorted(t)) do
    local name = group == "" and k or group .. "." .. tostring(k)
    local key = path .. "." .. tostring(k)
    if field_number[name] then
      known_on(name, to.on, to.fail, key)
      field_conditions(to.add, to.fail, name, key, t[k])
    elseif group == "" and type(k) == "string" and children[k] then
      if type(t[k]) == "table" then
        walk(to, k, key, t[k])
      else
        to.fail(key, ("takes a table of its fields (%s)"):format(table.concat(children[k], ", ")))
      end
    elseif group ~= "" or not combines[k] then
      to.fail(key, "unknown field" .. suggest(k, children[group]))
    end
  end
end

-- ---- any, all, none ----------------------------------------------------------------------------

local parts_of

-- The tables of a list, each as one formula; or of their opposites.
local function entries(to, key, value, depth, wanted)
  local list = plain(value) and values_of(value)
  if not list or #list == 0 or #list > formula.CLAUSES_MAX then
    return to.fail(key, ("takes a list of 1 to %d tables, as in { { quic = true }, { dst_port = 443 } }")
      :format(formula.CLAUSES_MAX))
  end
  if depth > DEPTH_MAX then return to.fail(key, ("is nested more than %d deep"):format(DEPTH_MAX)) end
  local out = {}
  for i, entry in ipairs(list) do
    local at = ("%s[%d]"):format(key, i)
    if type(entry) ~= "table" then
      to.fail(at, "takes a table of fields, not " .. shown(entry))
    elseif next(entry) == nil then
      to.fail(at, "is empty, and so would always hold")
    else
      local parts = parts_of(to, entry, at, depth, wanted)
      local combined, why = (wanted and formula.both or formula.either)(parts)
      if not combined then to.fail(at, why) end
      out[#out + 1] = combined
    end
  end
  return out
end

-- What a table says, as formulas that must hold together; or, when it is not wanted, its opposite, as
-- formulas of which one must.
function parts_of(to, t, path, depth, wanted)
  local parts = {}
  local function add(condition)
    parts[#parts + 1] = { { wanted and condition or formula.negated(condition) } }
  end
  walk({ add = add, fail = to.fail, on = to.on }, "", path, t)
  for _, word in ipairs(api.combinators) do
    local key = path .. "." .. word
    local inner = t[word] ~= nil and entries(to, key, t[word], depth + 1, (word == "none") ~= wanted)
    if inner then
      local combined, why = ((word == "any") == wanted and formula.either or formula.both)(inner)
      if not combined then to.fail(key, why) end
      parts[#parts + 1] = combined
    end
  end
  return parts
end

-- conditions(match, fail, on): what formula.flat gives; fail(key, message) was called for what is wrong.
local function conditions(match, fail, on)
  if type(match) ~= "table" then return fail("match", "takes a table of fields") end
  local out, why = formula.flat(parts_of({ fail = fail, on = on }, match, "match", 0, true))
  if not out then fail("match", why) end
  return out
end

return { conditions = conditions, suggest = suggest, shown = shown, values_of = values_of, sorted = sorted,
  field_number = field_number, field_names = field_names, known_on = known_on }
