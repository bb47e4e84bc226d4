-- Helpers of the rule API about texts and times. What is asked of an event's field takes nil, which a field
-- may be: nothing is found in it, and nothing made of it. functions.lua describes them all.
local host = ...

local ffi, env, functions = host.ffi, host.env, host.functions
local checked, fail, wrong = host.check.checked, host.check.fail, host.check.wrong
local type, next, byte, find, match, sub = type, next, string.byte, string.find, string.match, string.sub

local TEXT_MAX, WORD_MAX, HOST_MAX = 65536, 4096, 1024
local LIST_MAX = 64      -- words that are looked for one after the other
local ENTROPY_MAX = 4096 -- bytes that are looked at
local CACHE_MAX = 256    -- results that are kept

local text_find = ffi.cast("int32_t (*)(const char *, uint32_t, const char *, uint32_t)",
  ffi.cast("uintptr_t", host.text_find))
local text_entropy = ffi.cast("double (*)(const char *, uint32_t)", ffi.cast("uintptr_t", host.text_entropy))
local words_find = ffi.cast("int32_t (*)(const void *, const char *, uint32_t)",
  ffi.cast("uintptr_t", host.words_find))

-- ---- arguments ---------------------------------------------------------------------------------

-- Types are checked before (check.lua); what is left is how much there is.
local function bounded(helper, argument, text, most)
  if #text > most then fail("%s: %s has more than %d bytes", helper, argument, most) end
end

local function check_word(helper, value)
  if type(value) ~= "string" then wrong(helper, "word", "a text", value) end
  bounded(helper, "word", value, WORD_MAX)
  if value == "" then fail("%s: an empty word is everywhere", helper) end
end

-- What is behind a list or a set; of a set the texts are the keys.
local function members_of(helper, value)
  local members = env.behind[value] or value
  if next(members) == nil then fail("%s: there is no word in the list", helper) end
  return members
end

-- ---- texts -------------------------------------------------------------------------------------

-- The better of two answers, each a word and where it ends: what ends first, and the longer of two.
local function better(text, word, found, first)
  check_word("contains", word)
  local at = text_find(text, #text, word, #word)
  if at > 0 and (at < first or at == first and #word > #found) then return word, at end
  return found, first
end

local function too_many()
  fail("contains: more than %d words: make `words { ... }` of them once, outside of the function", LIST_MAX)
end

-- A list by its places: walking through a table, as a set has to be, is not compiled.
local function first_of(text, members)
  local found, first, count = false, #text + 1, #members
  if count > LIST_MAX then too_many() end
  for i = 1, count do found, first = better(text, members[i], found, first) end
  if count > 0 then return found end
  for word in next, members do
    count = count + 1
    if count > LIST_MAX then too_many() end
    found, first = better(text, word, found, first)
  end
  return found
end

local function contains(text, word)
  if text == nil then return false end
  bounded("contains", "text", text, TEXT_MAX)
  if type(word) == "string" then
    check_word("contains", word)
    return text_find(text, #text, word, #word) > 0 and word
  end
  local found = first_of(text, members_of("contains", word))
  return found
end

local function words(value)
  if type(value) == "string" then value = { value } end
  local list = {} -- a copy, which stays as it is
  for key, member in next, members_of("words", value) do
    list[#list + 1] = member == true and key or member
    check_word("words", list[#list])
  end
  local automaton = host.words(list)
  if not automaton then fail("words: takes at most 4096 words, of 65535 bytes together") end
  return function(text)
    if text == nil then return false end
    if type(text) ~= "string" then wrong("words", "text", "a text", text) end
    bounded("words", "text", text, TEXT_MAX)
    local number = words_find(automaton, text, #text)
    return number > 0 and list[number]
  end
end

local function starts(text, prefix)
  if text == nil then return false end
  bounded("starts", "text", text, TEXT_MAX)
  bounded("starts", "prefix", prefix, TEXT_MAX)
  return sub(text, 1, #prefix) == prefix
end

local function ends(text, suffix)
  if text == nil then return false end
  bounded("ends", "text", text, TEXT_MAX)
  bounded("ends", "suffix", suffix, TEXT_MAX)
  return #suffix <= #text and sub(text, #text - #suffix + 1) == suffix
end

local function entropy(text)
  if text == nil then return nil end
  bounded("entropy", "text", text, TEXT_MAX)
  local bits = text_entropy(text, #text < ENTROPY_MAX and #text or ENTROPY_MAX)
  return bits
end

local function redact(text)
  if text == nil then return nil end
  bounded("redact", "text", text, TEXT_MAX)
  local redacted = host.redact(text)
  return redacted
end

-- ---- what is made once for many calls ----------------------------------------------------------

-- Events of one host or second come one after the other, and a read-only view costs a microsecond.
local function cached(make)
  local kept, count = {}, 0
  return function(key)
    local value = kept[key]
    if value == nil then
      if count >= CACHE_MAX then kept, count = {}, 0 end
      value, count = make(key), count + 1
      kept[key] = value
    end
    return value
  end
end

-- ---- host names --------------------------------------------------------------------------------

-- Second-level labels under which registries sell names, where the top level is a country's.
local REGISTRY = { ac = true, co = true, com = true, edu = true, go = true, gob = true, gov = true,
  gouv = true, mil = true, ne = true, net = true, nom = true, ["or"] = true, org = true, sch = true }

-- The name somebody registered, by label count: no public suffix list, so "a.github.io" gives
-- "github.io". Addresses stay as they are.
local domain_of = cached(function(name)
  if find(name, ":", 1, true) or find(name, "^%d+%.%d+%.%d+%.%d+$") then return name end
  local three, second, top = match(name, "([^.]+%.([^.]+)%.([^.]+))%.?$")
  if three and #top == 2 and REGISTRY[second] then return three end
  return match(name, "([^.]+%.[^.]+)%.?$") or name
end)

local function domain(name)
  if name == nil then return nil end
  bounded("domain", "host", name, HOST_MAX)
  local registered = domain_of(name)
  return registered
end

-- Is the host this domain, or below it? At label boundaries only.
local function under(name, parent)
  if name == nil then return false end
  if name == parent then return true end
  local at = #name - #parent
  return at > 0 and byte(name, at) == 46 and sub(name, at + 1) == parent
end

local NO_TIME = "date: ts is not a time in microseconds since the epoch"

local labels_of = cached(function(name)
  local list = {}
  for label in name:gmatch("[^.]+") do list[#list + 1] = label end
  return (env.readonly(list, "a list of labels"))
end)

local function labels(name)
  if name == nil then return nil end
  bounded("labels", "host", name, HOST_MAX)
  local list = labels_of(name)
  return list
end

local date_of = cached(function(seconds)
  local year, month, day, hour, minute, second, weekday = host.date(seconds * 1e6)
  if not year then return false end
  return (env.readonly({ year = year, month = month, day = day, hour = hour, minute = minute,
    second = second, weekday = weekday }, "a date"))
end)

local function date(ts)
  if ts == nil then return nil end
  local view = ts == ts and date_of(math.floor(ts / 1e6))
  if not view then fail(NO_TIME) end
  return view
end

-- ---- quantities --------------------------------------------------------------------------------

local function quantity(helper, parse, example)
  return function(text)
    bounded(helper, "text", text, 64)
    local number = parse(text)
    if not number then fail("%s: '%s' is not %s", helper, text, example) end
    return number
  end
end

-- ---- offered to policies -----------------------------------------------------------------------

local helpers = {
  set = env.set, cidr = host.cidr, words = words, contains = contains, starts = starts, ends = ends, under = under,
  domain = domain, labels = labels, entropy = entropy, redact = redact, date = date,
  bytes = host.bytes_format, duration = host.duration_format, lower = string.lower, upper = string.upper,
  seconds = quantity("seconds", host.duration_parse, "a duration such as \"10m\""),
  size = quantity("size", host.bytes_parse, "a size such as \"1MiB\""),
}

functions.same("a helper", functions.own, helpers)
for _, spec in ipairs(functions.own) do env.base[spec.name] = checked(spec, helpers[spec.name]) end

return helpers
