-- Settings that a fleet's server signed with the policies: they replace the defaults of `params`, rule by rule, as each
-- is declared. "RULE_ID.NAME" is of one rule, "*.NAME" of each rule that declares a param of that name.
local host = ...

local behind, set = host.env.behind, host.env.set
local suggest, shown, sorted = host.match.suggest, host.match.shown, host.match.sorted
local type, pairs, next = type, pairs, next

local given = {}    -- key -> value, as they came
local used = {}     -- keys of them that are of a rule
local declared = {} -- keys that there could have been

-- ---- what a param is ---------------------------------------------------------------------------

local function is_set(value)
  local members = behind[value]
  if not members then return false end
  for _, there in next, members do
    if there ~= true then return false end
  end
  return true
end

local function is_list(value)
  if type(value) ~= "table" then return false end
  local count = 0
  for _, entry in next, value do
    if type(entry) == "table" or behind[entry] then return false end
    count = count + 1
  end
  return count == #value
end

local function kind_of(value)
  if is_set(value) then return "set" end
  if is_list(value) then return "list" end
  local kind = type(value)
  if kind == "string" then return "text" end
  return (kind == "number" or kind == "boolean") and kind or "other"
end

local function in_words(value)
  if type(value) == "table" then return "a list" end
  return type(value) == "boolean" and tostring(value) or shown(value)
end

-- ---- a value in the place of a default -----------------------------------------------------------

-- What entries may be: texts, numbers, or, of what is empty, either.
local function entry_kinds(default, kind)
  local kinds = {}
  for key, entry in next, kind == "set" and behind[default] or default do
    kinds[type(kind == "set" and key or entry)] = true
  end
  if not next(kinds) then kinds.string, kinds.number = true, true end
  return kinds
end

local function listed(kinds)
  if kinds.string then return kinds.number and "texts and numbers" or "texts" end
  return kinds.number and "numbers" or "neither texts nor numbers"
end

-- The value, or nil and what is wrong.
local function taken(default, value)
  local kind = kind_of(default)
  if kind == "other" then return nil, "is a table with keys or tables in it, which no server can set" end
  if kind ~= "set" and kind ~= "list" then
    if type(value) == type(default) then return value end
    return nil, ("is a %s, and the server set it to %s"):format(kind, in_words(value))
  end
  local kinds = entry_kinds(default, kind)
  local what = ("is a %s of %s, and the server set it to "):format(kind, listed(kinds))
  if type(value) ~= "table" then return nil, what .. in_words(value) end
  local copy = {}
  for i, entry in ipairs(value) do
    if not kinds[type(entry)] then return nil, ("%sa list with %s"):format(what, shown(entry)) end
    copy[i] = entry
  end
  return kind == "set" and set(copy) or copy
end

-- ---- rules, and the end ---------------------------------------------------------------------------

-- The key that sets a param: the rule's own comes before that of all.
local function key_for(rule, name)
  local own, all = rule.id .. "." .. name, "*." .. name
  declared[own], declared[all] = true, true
  if given[all] ~= nil then used[all] = true end
  if given[own] ~= nil then
    used[own] = true
    return own
  end
  return given[all] ~= nil and all or nil
end

local function override(rule, fail)
  local params = rule.usable and type(rule.given.params) == "table" and rule.given.params
  if not params then return end
  local changed, any = {}, false
  for name, default in pairs(params) do changed[name] = default end
  for _, name in ipairs(sorted(params)) do
    local key = type(name) == "string" and key_for(rule, name)
    if key then
      local value, why = taken(params[name], given[key])
      if value == nil then fail("params." .. name, why) end
      changed[name], any = value, true
    end
  end
  if not any then return end
  local copy = {} -- the table is the policy's, and may be that of another rule, too
  for key, value in pairs(rule.given) do copy[key] = value end
  copy.params = changed
  rule.given = copy
end

local function begin(map)
  given = map
  host.override = override
end

-- Where something else is wrong, a rule may be missing for that, and its settings are right.
local function finish()
  if #host.policy.problems > 0 then return end
  local names = sorted(declared)
  for _, key in ipairs(sorted(given)) do
    if not used[key] then
      table.insert(host.policy.problems, { file = "fleet:params", key = key,
        message = "the server sets it, and no rule has such a param" .. suggest(key, names) })
    end
  end
end

return { begin = begin, finish = finish }
