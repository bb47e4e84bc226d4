-- Helpers of the rule API about texts and times. What is asked of an event's field takes nil, which a field
-- may be: nothing is found in it, and nothing made of it. Everything else of the wrong type is an error
-- that names the helper and the argument.
local host = ...

local ffi, env = host.ffi, host.env
local error, type, next, sub = error, type, next, string.sub

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

-- Of all these the last argument is how many calls up the policy's line is, seen from the function.

local function wrong(helper, argument, wanted, value, level)
  error(("%s: %s must be %s, not a %s"):format(helper, argument, wanted, type(value)), level + 1)
end

local function check_text(helper, argument, value, most, level)
  if type(value) ~= "string" then wrong(helper, argument, "a text", value, level + 1) end
  if #value > most then error(("%s: %s has more than %d bytes"):format(helper, argument, most), level + 1) end
end

local function check_word(helper, value, level)
  check_text(helper, "word", value, WORD_MAX, level + 1)
  if value == "" then error(helper .. ": an empty word is everywhere", level + 1) end
end

-- What is behind a list or a set; of a set the texts are the keys.
local function members_of(helper, value, level)
  local members = env.behind[value] or value
  if type(members) ~= "table" then wrong(helper, "word", "a text, a list or a set", value, level + 1) end
  if next(members) == nil then error(helper .. ": there is no word in the list", level + 1) end
  return members
end

-- ---- texts -------------------------------------------------------------------------------------

-- The better of two answers, each a word and where it ends: what ends first, and the longer of two.
local function better(text, word, found, first)
  check_word("contains", word, 4)
  local at = text_find(text, #text, word, #word)
  if at > 0 and (at < first or at == first and #word > #found) then return word, at end
  return found, first
end

local function too_many()
  error(("contains: more than %d words: make `words { ... }` of them once, outside of the function")
    :format(LIST_MAX), 4)
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
  check_text("contains", "text", text, TEXT_MAX, 2)
  if type(word) == "string" then
    check_word("contains", word, 2)
    return text_find(text, #text, word, #word) > 0 and word
  end
  local found = first_of(text, members_of("contains", word, 2))
  return found
end

local function words(value)
  if type(value) == "string" then value = { value } end
  local list = {} -- a copy, which stays as it is
  for key, member in next, members_of("words", value, 2) do
    list[#list + 1] = member == true and key or member
    check_word("words", list[#list], 2)
  end
  local automaton = host.words(list)
  if not automaton then error("words: takes at most 4096 words, of 65535 bytes together", 2) end
  return function(text)
    if text == nil then return false end
    check_text("words", "text", text, TEXT_MAX, 2)
    local number = words_find(automaton, text, #text)
    return number > 0 and list[number]
  end
end

local function starts(text, prefix)
  if text == nil then return false end
  check_text("starts", "text", text, TEXT_MAX, 2)
  check_text("starts", "prefix", prefix, TEXT_MAX, 2)
  return sub(text, 1, #prefix) == prefix
end

local function ends(text, suffix)
  if text == nil then return false end
  check_text("ends", "text", text, TEXT_MAX, 2)
  check_text("ends", "suffix", suffix, TEXT_MAX, 2)
  return #suffix <= #text and sub(text, #text - #suffix + 1) == suffix
end

local function entropy(text)
  if text == nil then return nil end
  check_text("entropy", "text", text, TEXT_MAX, 2)
  local bits = text_entropy(text, #text < ENTROPY_MAX and #text or ENTROPY_MAX)
  return bits
end

local function redact(text)
  if text == nil then return nil end
  check_text("redact", "text", text, TEXT_MAX, 2)
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

local NO_TIME = "date: ts is not a time in microseconds since the epoch"

local labels_of = cached(function(name)
  local list = {}
  for label in name:gmatch("[^.]+") do list[#list + 1] = label end
  return (env.readonly(list, "a list of labels"))
end)

local function labels(name)
  if name == nil then return nil end
  check_text("labels", "host", name, HOST_MAX, 2)
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
  if type(ts) ~= "number" then wrong("date", "ts", "a number of microseconds", ts, 2) end
  local view = ts == ts and date_of(math.floor(ts / 1e6))
  if not view then error(NO_TIME, 2) end
  return view
end

-- ---- quantities --------------------------------------------------------------------------------

local function quantity(helper, parse, example)
  return function(text)
    check_text(helper, "text", text, 64, 2)
    local number = parse(text)
    if not number then error(("%s: '%s' is not %s"):format(helper, text, example), 2) end
    return number
  end
end

-- ---- offered to policies -----------------------------------------------------------------------

local helpers = {
  contains = contains, words = words, starts = starts, ends = ends, entropy = entropy, redact = redact,
  labels = labels, date = date,
  seconds = quantity("seconds", host.duration_parse, "a duration such as \"10m\""),
  size = quantity("size", host.bytes_parse, "a size such as \"1MiB\""),
}
for name, helper in pairs(helpers) do env.base[name] = helper end

return helpers
