-- Errors of callers: checks of arguments, written from the description of the functions (functions.lua), and
-- messages that name the policy's own line.
local host = ...

local getinfo = host.getinfo
local type, error, loadstring = type, error, loadstring
local byte, concat, format = string.byte, table.concat, string.format

-- Raises the message with file and line of the policy that called. A tail call of the policy leaves no frame
-- of it: then it is its caller's, or there is no line, and the rule's own is meant.
local function fail(message, ...)
  for level = 3, 12 do
    local info = getinfo(level, "S")
    if info and byte(info.source) == 64 then error(format(message, ...), level) end -- "@policy"
  end
  error(format(message, ...), 0)
end

-- What policies have that is read-only is userdata; they have no other.
local TEST = {
  text = "type(%s) == 'string'", number = "type(%s) == 'number'", boolean = "type(%s) == 'boolean'",
  list = "type(%s) == 'table' or type(%s) == 'userdata'",
  table = "type(%s) == 'table' or type(%s) == 'userdata'",
  set = "type(%s) == 'userdata'", ["function"] = "type(%s) == 'function'", any = "true",
}

local function listed(types)
  local words = {}
  for i, word in ipairs(types) do words[i] = "a " .. word end
  local last = table.remove(words)
  return #words > 0 and concat(words, ", ") .. " or " .. last or last
end

local function wrong(name, arg, wanted, value)
  fail("%s: %s must be %s, not a %s", name, arg, wanted, type(value))
end

local function test_of(arg)
  local tests = {}
  for i, word in ipairs(arg.types) do tests[i] = (TEST[word]:gsub("%%s", arg.name)) end
  if arg.optional then tests[#tests + 1] = arg.name .. " == nil" end
  return concat(tests, " or ")
end

-- f with its arguments checked, in a chunk of its own with every test spelt out: the compiler folds away
-- what it knows. It must not end in a tail call of a built-in, which no trace survives.
local function checked(spec, f)
  local names, lines = {}, {}
  for i, arg in ipairs(spec.args) do
    names[i] = arg.name
    lines[i] = format("if not (%s) then wrong(%q, %q, %q, %s) end", test_of(arg), spec.name, arg.name,
      listed(arg.types), arg.name)
  end
  local list = concat(names, ", ")
  return loadstring(format("local f, type, wrong = ...\nreturn function(%s)\n%s\nlocal result = f(%s)\n"
    .. "return result\nend", list, concat(lines, "\n"), list), "=sense." .. spec.name)(f, type, wrong)
end

return { checked = checked, fail = fail, wrong = wrong }
