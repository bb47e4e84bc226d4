-- What a policy sees: an allow-list of names, and the helpers of the rule API.
-- Everything shared is read-only; errors of the time limit cannot be caught.
local host = ...

local BUDGET, stock = host.budget, host.functions.stock
local error, type, select, next, rawget, pcall = error, type, select, next, rawget, pcall
local getmetatable, setmetatable, setfenv, newproxy = getmetatable, setmetatable, setfenv, newproxy
local find, gmatch, gsub = string.find, string.gmatch, string.gsub
local match, rep, sub = string.match, string.rep, string.sub
local byte, concat, format, insert = string.byte, table.concat, string.format, table.insert
local min = math.min
local pattern_find, pattern_match = host.pattern_find, host.pattern_match

local SUBJECT_MAX = 8192       -- bytes a pattern may be tried on
local PATTERN_MAX = 128
local TEXT_MAX = 1048576       -- bytes string.rep may make
local PLAIN_MAX = 67108864     -- length of a text times that of what is looked for in it
local SORT_MAX = 16384
-- The key under which a handle keeps its generation. Reading or forging it gives a script nothing:
-- a handle holds no pointer, and a forged generation is at best the current one.
local GENERATION = "(generation)"

-- ---- read-only views ---------------------------------------------------------------------------

-- Userdata rather than a table: `#` works, and neither next nor table.insert can reach behind it.
local behind = setmetatable({}, { __mode = "k" })

local function count(t)
  local n = 0
  for _ in next, t do n = n + 1 end
  return n
end

local function readonly(t, what, is_set)
  local view = newproxy(true)
  local meta = getmetatable(view)
  local size = is_set and count(t) or #t
  meta.__index = t
  meta.__newindex = function() error(what .. " is read-only", 2) end
  meta.__len = function() return size end
  meta.__metatable = false
  behind[view] = t
  return view, meta
end

-- A deep copy that a script cannot change; bounded, so that a cyclic table ends.
local function freeze(value, what, depth)
  if type(value) ~= "table" then return value end
  depth = depth or 0
  if depth > 8 then error(what .. " is nested too deeply", 0) end
  local copy = {}
  for k, v in next, value do copy[k] = freeze(v, what, depth + 1) end
  return (readonly(copy, what))
end

local function set(list)
  if type(list) ~= "table" then error("set takes a list, as in set { \"a\", \"b\" }", 2) end
  local members = {}
  for i = 1, #list do
    local kind = type(list[i])
    if kind ~= "string" and kind ~= "number" then error("a set holds strings and numbers only", 2) end
    members[list[i]] = true
  end
  return (readonly(members, "a set", true))
end

-- ---- functions that stock Lua leaves open ------------------------------------------------------

local function checked(good, problem, ...)
  if not good and problem == BUDGET then error(BUDGET, 0) end
  return good, problem, ...
end

local function handled(handler, good, problem, ...)
  if good then return good, problem, ... end
  if problem == BUDGET then error(BUDGET, 0) end
  return false, handler(problem)
end

-- The handler of xpcall runs after the stack was unwound: one that ran before could go on for ever.
local function guarded_xpcall(f, handler, ...) return handled(handler, pcall(f, ...)) end
local function guarded_pcall(f, ...) return checked(pcall(f, ...)) end

local function refuse_handle(t)
  if type(t) == "table" and rawget(t, GENERATION) then
    error("an event cannot be iterated: name its fields", 3)
  end
end

local function guarded_next(t, k)
  refuse_handle(t)
  return next(behind[t] or t, k)
end

local function view_next(view, k) return next(behind[view], k) end

local function guarded_pairs(t)
  refuse_handle(t)
  if behind[t] then return view_next, t, nil end
  return next, t, nil
end

local function step(t, i)
  i = i + 1
  local v = t[i]
  if v ~= nil then return i, v end
end

local function guarded_ipairs(t)
  if type(t) ~= "table" and not behind[t] then error("ipairs takes a list, not a " .. type(t), 2) end
  refuse_handle(t)
  return step, t, 0
end

-- The matcher counts its steps (lua/pattern.h); sizes are bounded so that few steps are enough.
local function bounded(s, p)
  if type(s) == "string" and #s > SUBJECT_MAX then
    error("a text of more than " .. SUBJECT_MAX .. " bytes cannot be searched by a pattern", 3)
  end
  if type(p) == "string" and #p > PATTERN_MAX then
    error("a pattern has at most " .. PATTERN_MAX .. " bytes", 3)
  end
end

-- Patterns without magic characters are looked for by the stock find, which is compiled. Which these
-- are is remembered, for some of them.
local plain_of, plain_count = {}, 0

local function is_plain(p)
  local plain = plain_of[p]
  if plain == nil and type(p) == "string" then
    plain = not find(p, "[%^%$%(%%%.%[%*%+%-%?]")
    if plain_count >= 1024 then plain_of, plain_count = {}, 0 end
    plain_of[p], plain_count = plain, plain_count + 1
  end
  return plain
end

local function guarded_find(s, p, init, plain)
  if plain then
    if type(s) == "string" and type(p) == "string" and #s * #p > PLAIN_MAX then
      error("these texts are too long to look for one in the other", 2)
    end
    return find(s, p, init, true)
  end
  bounded(s, p)
  if is_plain(p) then return find(s, p, init, true) end
  return pattern_find(s, p, init)
end

local function guarded_match(s, p, init)
  bounded(s, p)
  return pattern_match(s, p, init)
end

local function guarded_gmatch(s, p)
  bounded(s, p)
  if type(s) == "number" then s = s .. "" end
  if type(s) ~= "string" then error("gmatch takes a text, not a " .. type(s), 2) end
  local pos, past = 1, nil -- past: where the latest match ended
  local function advance(first, last, ...)
    if not first then
      pos = nil
      return nil
    end
    past = last
    pos = last >= first and last + 1 or first + 1
    if select("#", ...) == 0 then return sub(s, first, past) end
    return ...
  end
  return function()
    if not pos or pos > #s + 1 then return nil end
    return advance(pattern_find(s, p, pos, true))
  end
end

-- What stands for a match in the result of gsub: f gives it, nil or false keep the match.
local function replaced(whole, value)
  if value == nil or value == false then return whole end
  local kind = type(value)
  if kind ~= "string" and kind ~= "number" then error("invalid replacement value (a " .. kind .. ")", 0) end
  return value
end

local function found(s, f, first, last, ...)
  if not first then return nil end
  local whole = sub(s, first, last)
  if select("#", ...) == 0 then return first, last, replaced(whole, f(whole, whole)) end
  return first, last, replaced(whole, f(whole, ...))
end

-- gsub without C in between: stock LuaJIT overflows the C stack when a function calls gsub again and
-- again. f(whole, captures...)
local function gsub_call(s, p, f, max)
  local out, n, made, pos, len = {}, 0, 0, 1, #s
  local anchored = byte(p, 1) == 94
  while made < max and pos <= len + 1 do
    local first, last, value = found(s, f, pattern_find(s, p, pos))
    if not first then break end
    made = made + 1
    out[n + 1], out[n + 2] = sub(s, pos, first - 1), value
    n = n + 2
    if last >= first then
      pos = last + 1
    else
      n = n + 1
      out[n] = sub(s, first, first)
      pos = first + 1
    end
    if anchored then break end
  end
  out[n + 1] = sub(s, pos)
  return concat(out), made
end

-- "%1" in a replacement text.
local function filled(r)
  return function(whole, ...)
    local captures, count = { ... }, select("#", ...)
    return (gsub(r, "%%(.?)", function(c)
      if c == "0" then return whole end
      if not find(c, "%d") then return c end
      if c + 0 > count then error("invalid capture index", 0) end
      return captures[c + 0]
    end))
  end
end

local function replacer(r)
  local kind = type(r)
  if kind == "number" then r, kind = r .. "", "string" end
  if kind == "string" then
    if find(r, "%", 1, true) then return filled(r) end
    return function() return r end
  end
  if kind == "function" then return function(_, ...) return r(...) end end
  if kind == "table" or behind[r] then return function(_, key) return r[key] end end
  error("gsub replaces by a text, a table or a function, not by a " .. kind, 3)
end

local function guarded_gsub(s, p, r, max)
  bounded(s, p)
  if type(s) == "number" then s = s .. "" end
  if type(p) == "number" then p = p .. "" end
  if type(s) ~= "string" or type(p) ~= "string" then
    error("gsub takes a text and a pattern, not a " .. type(s) .. " and a " .. type(p), 2)
  end
  return gsub_call(s, p, replacer(r), tonumber(max) or #s + 1)
end

local function guarded_rep(s, n, separator)
  s, n = type(s) == "number" and s .. "" or s, tonumber(n)
  if type(s) ~= "string" or not n then error("string.rep takes a text and a number", 2) end
  if n * (#s + (separator and #separator or 0)) > TEXT_MAX then
    error("string.rep makes at most " .. TEXT_MAX .. " bytes", 2)
  end
  return rep(s, n, separator)
end

local function ascending(a, b) return a < b end

-- from[low .. middle - 1] and from[middle .. high - 1], each in order, become to[low .. high - 1].
local function merge(from, to, low, middle, high, before)
  local left, right = low, middle
  for i = low, high - 1 do
    if left < middle and not (right < high and before(from[right], from[left])) then
      to[i], left = from[left], left + 1
    else
      to[i], right = from[right], right + 1
    end
  end
end

-- A merge sort, here and not in C: the stock one can be led into the square of its length, and into a
-- stack of sorts that call each other. The list changes only when all is in order.
local function guarded_sort(t, before)
  if type(t) ~= "table" then error("table.sort takes a list, not a " .. type(t), 2) end
  local n, width = #t, 1
  if n > SORT_MAX then error("table.sort takes at most " .. SORT_MAX .. " values", 2) end
  before = before or ascending
  local from, to = {}, {}
  for i = 1, n do from[i] = t[i] end
  while width < n do
    for low = 1, n, 2 * width do
      merge(from, to, low, min(low + width, n + 1), min(low + 2 * width, n + 1), before)
    end
    from, to, width = to, from, 2 * width
  end
  for i = 1, n do t[i] = from[i] end
end

-- Stock insert moves as many values as lie between the position and the end, be they there or not.
local function guarded_insert(t, ...)
  if select("#", ...) < 2 then return insert(t, ...) end
  local at = tonumber((...))
  if type(t) == "table" and at and not (at >= 1 and at <= #t + 1) then
    error("table.insert: position " .. at .. " is not within the list", 2)
  end
  return insert(t, ...)
end

-- ---- texts of values that have none --------------------------------------------------------------

local TEXT = { string = true, number = true, boolean = true, ["nil"] = true }

-- Addresses would tell where things lie in memory, and differ from run to run.
local function guarded_tostring(value)
  local kind = type(value)
  return TEXT[kind] and tostring(value) or kind
end

local function in_words(value, ...)
  if select("#", ...) == 0 then return guarded_tostring(value) end
  return guarded_tostring(value), in_words(...)
end

local function guarded_format(form, ...)
  if type(form) == "string" and find(form, "p", 1, true) and
    find((gsub(form, "%%%%", "")), "%%[^%a%%]*p") then
    error("string.format has no %p: addresses are nobody's business", 2)
  end
  for i = 1, select("#", ...) do
    if not TEXT[type((select(i, ...)))] then return format(form, in_words(...)) end
  end
  return format(form, ...)
end

-- ---- the environment ---------------------------------------------------------------------------

-- The names of a part of Lua that functions.lua lists, some of them with our own in place of the stock one.
local function pick(part, library, own)
  local t = {}
  for name in gmatch(stock[part], "%S+") do
    t[name] = own[name] or library[name] or error("no " .. name)
    own[name] = nil
  end
  if next(own) then error("not described: " .. next(own)) end
  return t
end

local safe_string = pick("string", string, { find = guarded_find, match = guarded_match,
  gmatch = guarded_gmatch, gsub = guarded_gsub, rep = guarded_rep, format = guarded_format })

-- The helpers of the rule API come on top (helpers.lua).
local base = pick("", _G, { tostring = guarded_tostring, ipairs = guarded_ipairs, next = guarded_next,
  pairs = guarded_pairs, pcall = guarded_pcall, xpcall = guarded_xpcall })
base.string = readonly(safe_string, "string")
base.table = readonly(pick("table", table, { insert = guarded_insert, sort = guarded_sort }), "table")
base.math = readonly(pick("math", math, {}), "math")
base.bit = readonly(pick("bit", bit, {}), "bit")

local removed = "io os debug package require module load loadstring loadfile dofile ffi jit coroutine rawget "
  .. "rawset rawequal rawlen getmetatable setmetatable getfenv setfenv collectgarbage newproxy print _G"
local refused = {}
for name in gmatch(removed, "%S+") do refused[name] = true end

-- ("x"):rep(3) finds its methods here; the stock table would bring string.dump back.
getmetatable("").__index = safe_string
getmetatable("").__metatable = false

local offered = {} -- names that environments had on top of the base

local function unknown(name)
  if refused[name] then return "'" .. name .. "' is not available to policies" end
  local names = {}
  for known in next, base do names[#names + 1] = known end
  for known in next, offered do names[#names + 1] = known end
  table.sort(names) -- of two that are equally near the first is suggested, in every run the same
  local near = type(name) == "string" and host.nearest(name, names)
  return format("unknown name '%s'%s", tostring(name), near and (", did you mean '" .. near .. "'?") or "")
end

setmetatable(base, { __index = function(_, name) error(unknown(name), 2) end })
local on_base = { __index = base }

local function undeclared(_, name)
  error(format("'%s' is not declared: write 'local %s'", tostring(name), tostring(name)), 2)
end

-- A fresh environment: `extra`, which becomes part of it, on top of the base. Globals cannot be made:
-- a misspelt name is an error at once, and what a script keeps, it keeps in locals.
local function new(extra)
  extra = extra or {}
  for name in next, extra do offered[name] = true end
  return setmetatable({}, { __index = setmetatable(extra, on_base), __newindex = undeclared,
    __metatable = false })
end

local function enclose(f, extra) return setfenv(f, new(extra)) end

return { new = new, enclose = enclose, readonly = readonly, freeze = freeze, set = set, behind = behind,
  GENERATION = GENERATION, BUDGET = BUDGET, base = base }
