-- The handle that `when` and `finding` get: fields by name, read from the event as they are asked for.
--
-- A handle is a table with a generation and nothing else, made for each call; the JIT compiler
-- usually removes it altogether. The event itself is reached by one C call into `view`, whose values
-- become plain strings, numbers and booleans here: no cdata ever reaches a rule.
local host = ...

local ffi, env = host.ffi, host.env
local rawget, setmetatable, error, loadstring = rawget, setmetatable, error, loadstring
local text_of = ffi.string
local GENERATION = env.GENERATION

-- struct sense_view of lua/state.h, as far as it is read here.
ffi.cdef [[
typedef struct {
  double generation;
  int32_t type;
  union { struct { const char *text; uint32_t len; }; double number; bool boolean; };
} sense_view;
]]
local view = ffi.cast("sense_view *", ffi.cast("uintptr_t", host.view))
local get = ffi.cast("void (*)(sense_view *, int)", ffi.cast("uintptr_t", host.event_get))

-- host.fields: { { "service.id", "string" }, ... } in the order of enum sense_field, from 0.
local groups = { [""] = {} } -- group -> its fields: { key =, number =, kind = }
local aliases = {} -- group -> its first field: what "service" means where one value is wanted
for i = 1, #host.fields do
  local name, kind = host.fields[i][1], host.fields[i][2]
  local group, key = name:match("^(.-)%.(.+)$")
  if group then aliases[group] = aliases[group] or name end
  group, key = group or "", key or name
  groups[group] = groups[group] or {}
  table.insert(groups[group], { key = key, number = i - 1, kind = kind })
end

local metas = {}

local function stale()
  error("this event is over: copy what you need of it into locals", 3)
end

local function read_only()
  error("an event is read-only", 2)
end

local function unknown(group, key)
  local known = {}
  for i, field in ipairs(groups[group]) do known[i] = field.key end
  if group == "" then
    for name in pairs(groups) do if name ~= "" then known[#known + 1] = name end end
  end
  local near = type(key) == "string" and host.nearest(key, known)
  error(("an event has no field '%s'%s"):format((group ~= "" and group .. "." or "") .. tostring(key),
    near and (", did you mean '" .. near .. "'?") or ""), 3)
end

-- How a field's value leaves the view: its type never changes, but it may have none.
local VALUE = {
  string = "if view.type == STRING then return text_of(view.text, view.len) end",
  number = "if view.type == NUMBER then return view.number end",
  boolean = "if view.type == BOOLEAN then return view.boolean end",
}
VALUE.address = VALUE.string

-- One chunk a group, with every key and number spelt out: with one closure and constants only, the
-- compiler sees that a handle goes nowhere and drops it, and the chain of comparisons with it.
local INDEX = [[
local view, get, nested, group, stale, unknown, text_of, rawget, setmetatable = ...
return function(handle, key)
  local generation = rawget(handle, GENERATION)
  if generation ~= view.generation then stale() end
  FIELDS
  local inner = nested[key]
  if not inner then unknown(group, key) end
  local handle_inside = setmetatable({ [GENERATION] = generation }, inner)
  return handle_inside
end]]

local function index_of(group)
  local chain = {}
  for i, field in ipairs(groups[group]) do
    chain[i] = ("if key == %q then get(view, %d) %s return nil end"):format(field.key, field.number,
      VALUE[field.kind])
  end
  return (INDEX:gsub("FIELDS", table.concat(chain, "\n  ")):gsub("GENERATION", ("%q"):format(GENERATION))
    :gsub("STRING", host.types.string):gsub("NUMBER", host.types.number):gsub("BOOLEAN", host.types.boolean))
end

local function meta_of(group)
  local nested = group == "" and metas or {}
  local index = loadstring(index_of(group), "=sense.event")(view, get, nested, group, stale, unknown, text_of,
    rawget, setmetatable)
  return { __newindex = read_only, __metatable = false, __index = index }
end

for group in pairs(groups) do
  if group ~= "" then metas[group] = meta_of(group) end
end
local top = meta_of("")

-- A trace that begins here must not end in a tail call of a built-in: LuaJIT would give it up.
local function new()
  local handle = setmetatable({ [GENERATION] = view.generation }, top)
  return handle
end

-- One chunk a function, so that each rule gets traces of its own: closures of one chunk would
-- share them, and queue up behind each other's guards. Params that a function does not take are not
-- fetched for it.
local function bind(f, params)
  local info = host.getinfo(f, "u")
  return loadstring(([[
    local f, params, new = ...
    return function()
      local answer = f(new()PARAMS)
      return answer
    end]]):gsub("PARAMS", (info.isvararg or info.nparams > 1) and ", params" or ""), "=rule")(f, params, new)
end

-- Which rule runs, for the watchdog; and what each of a fused call answered.
local mark = ffi.cast("uint32_t *", ffi.cast("uintptr_t", host.mark))
local holds = ffi.cast("uint8_t *", ffi.cast("uintptr_t", host.holds))

-- One function for rules that are asked together: number, function, number, function, ...
-- Compiled, it is one run of machine code; called one by one, each rule would be fetched from all
-- over the heap. The numbers are spelt out for the same reason as the keys above.
local function fuse(...)
  local names, lines, functions = {}, {}, {}
  for i = 1, select("#", ...) / 2 do
    local number, f = select(2 * i - 1, ...)
    names[i], functions[i] = ", f" .. i, f
    lines[i] = ("mark[0] = %d if f%d() then holds[%d] = 1 end"):format(number + 1, i, i - 1)
  end
  return loadstring(("local mark, holds%s = ...\nreturn function()\n%s\nend"):format(
    table.concat(names), table.concat(lines, "\n")), "=rules")(mark, holds, unpack(functions))
end

return { bind = bind, fuse = fuse, aliases = aliases }
