-- A configuration file: keys assigned as globals, or one table returned; flattened for lua/conf_file.c.
local host = ...

local env = host.env
local ENTRIES_MAX, DEPTH_MAX = 500, 4
local out = {}

local function add(key, value, is_list)
  if #out >= ENTRIES_MAX then error("more than " .. ENTRIES_MAX .. " keys", 0) end
  out[#out + 1] = { key = key, value = value, list = is_list }
end

local function list_of(t)
  local n, list = 0, {}
  for _ in pairs(t) do n = n + 1 end
  if n ~= #t then return nil end
  for i = 1, n do
    if type(t[i]) ~= "string" and type(t[i]) ~= "number" then return nil end
    list[i] = tostring(t[i])
  end
  return list
end

local function flatten(path, value, depth)
  local kind = type(value)
  if kind == "string" or kind == "number" or kind == "boolean" then return add(path, tostring(value)) end
  local t = env.behind[value] or kind == "table" and value
  if not t or depth > DEPTH_MAX then return add(path, nil) end
  local list = path ~= "" and list_of(t)
  if list then return add(path, list, true) end
  for _, k in ipairs(host.match.sorted(t)) do
    flatten(path == "" and tostring(k) or path .. "." .. tostring(k), t[k], depth + 1)
  end
end

-- Runs the chunk and gives the list of { key =, value = text or list, list = }.
local function load(chunk)
  out = {}
  local assigned = {}
  local scope = setmetatable({}, {
    __index = function(_, k)
      local v = assigned[k]
      if v ~= nil then return v end
      return env.base[k]
    end,
    __newindex = assigned,
    __metatable = false,
  })
  setfenv(chunk, scope)
  local returned = chunk()
  flatten("", assigned, 0)
  if type(returned) == "table" then flatten("", returned, 0) end
  return out
end

return { load = load }
