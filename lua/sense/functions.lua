-- What policies and their tests can call, described once: the environment is made from it, arguments are
-- checked by it, and the reference and the types for editors are written from it (describe.lua).
--
-- A signature is name(argument: types, ...): result. Types are text, number, boolean, list, table, set,
-- function and any, several with | between. `argument?` may be nil: it is usually a field that an event
-- may not have, of which nothing is found and nothing made.

local own = {
  { "set(values: list): set",
    "a read-only set: `s[value]` is `true` or `nil`; also good in `match`" },
  { "cidr(networks: text|list): function",
    "a function that tells whether an address is inside; at most 4096 networks" },
  { "words(word: text|list|set): function",
    "a function that gives the first of these words in a text, or `false`; made once, for long lists" },
  { "contains(text?: text, word: text|list|set): text|boolean",
    "the first of the words that is in the text, or `false`; no patterns, so its cost is linear" },
  { "starts(text?: text, prefix: text): boolean", "does the text begin with this?" },
  { "ends(text?: text, suffix: text): boolean", "does it end with this?" },
  { "under(host?: text, parent: text): boolean", "is it that name or below it?" },
  { "domain(host?: text): text|nil",
    "the name that somebody registered: of `a.b.co.uk` it is `b.co.uk`; a guess by label count" },
  { "labels(host?: text): list|nil", "the labels of a host name, the first one first" },
  { "entropy(text?: text): number|nil",
    "bits a byte of its first 4096 bytes (Shannon): words have about 4, random keys 5 to 6" },
  { "redact(text?: text): text|nil", "the text with what looks like a secret replaced" },
  { "bytes(number: number): text", "`bytes(1536)` is `1.5 KiB`" },
  { "duration(seconds: number): text", "`duration(90)` is `1m 30s`" },
  { "size(text: text): number", "`size \"1MiB\"` is 1048576" },
  { "seconds(text: text): number", "`seconds \"10m\"` is 600" },
  { "date(ts?: number): table|nil",
    "`year`, `month`, `day`, `hour`, `minute`, `second`, `weekday` (1 Monday) of a time in microseconds, in "
    .. "local time" },
  { "lower(text: text): text", "as `string.lower`" },
  { "upper(text: text): text", "as `string.upper`" },
}

-- Members of `state`. Checked where they are made, each call of them being counted in (state.lua).
local state = {
  { "sum(key: text|number, n: number, window: text|number): number", "adds `n`; the sum over the window, `n` included" },
  { "count(key: text|number, window: text|number): number", "the same with 1" },
  { "distinct(key: text|number, value: text|number, window: text|number): number",
    "adds the value; how many different ones the window has" },
  { "get(key: text|number, window: text|number): number",
    "the sum, or if there is none the number of distinct values, or 0; adds nothing" },
  { "first(key: text|number, window: text|number): boolean",
    "`true` when this key was not asked about within the window before" },
  { "last(key: text|number): number|nil", "when `last` was asked about this key before, in microseconds" },
}

-- Methods of `t` in a test, and of what they give.
local test = {
  { "flow(values?: table): flow", "a flow; its methods raise events: `new`, `classified`, `update`, `finish`, "
    .. "`tls`, `http`, each with further values" },
  { "process(values?: table): process", "raises `process.start`; `:exit(values)` raises `process.exit`" },
  { "dns(values?: table): nil", "raises `dns`" },
  { "tls(values?: table): nil", "raises `tls`" },
  { "http(values?: table): nil", "raises `http`" },
  { "listen(values?: table): nil", "raises `listen`" },
  { "file(values?: table): nil", "raises `file`" },
  { "mcp(values?: table): nil", "raises `mcp`" },
  { "inventory(values?: table): nil", "raises `inventory`" },
  { "gap(values?: table): nil", "raises `gap`" },
  { "event(kind: text, values?: table): nil", "raises an event of any kind" },
  { "wait(time: text|number): nil", "moves the event's time on" },
  { "capture(path: text): nil", "runs a capture through the whole engine; the path is seen from the test's folder" },
  { "params(rule: text, values: table): nil", "other `params` for a rule, in this test" },
  { "expect(rule: text, finding?: table): expectation",
    "exactly one finding of the rule up to here, or `:times(n)`, with these members" },
  { "forbid(rule: text, finding?: table): nil", "no such finding up to here" },
  { "nothing(): nil", "no finding at all up to here" },
  { "only(): nil", "in the end no finding that no `expect` named" },
}

-- Parts of Lua that are as in its manual, or bounded (docs/rules.md says how).
local stock = {
  [""] = "assert error ipairs next pairs pcall select tonumber tostring type unpack xpcall",
  string = "byte char find format gmatch gsub len lower match rep reverse sub upper",
  table = "concat insert remove sort",
  math = "abs ceil exp floor fmod huge log log10 max min modf pi pow sqrt",
  bit = "arshift band bnot bor bswap bxor lshift rol ror rshift tobit tohex",
}

local function words_of(text)
  local words = {}
  for word in text:gmatch("%w+") do words[#words + 1] = word end
  return words
end

-- { name =, signature =, doc =, returns = { types }, args = { { name =, optional =, types = { ... } }, ... } }
local function parsed(entry)
  local name, list, returns = entry[1]:match("^([%w_]+)%((.-)%): (.+)$")
  local out = { name = name, signature = entry[1], doc = entry[2], returns = words_of(returns), args = {} }
  for arg, optional, types in list:gmatch("([%w_]+)(%??): ([%w|]+)") do
    table.insert(out.args, { name = arg, optional = optional ~= "", types = words_of(types) })
  end
  return out
end

for _, list in ipairs({ own, state, test }) do
  for i, entry in ipairs(list) do list[i] = parsed(entry) end
end

-- Whether the implementations are those that are described: neither may lack one of the other.
local function same(what, described, implemented)
  local known = {}
  for _, spec in ipairs(described) do
    known[spec.name] = true
    if not implemented[spec.name] then error(what .. " is described and not there: " .. spec.name, 0) end
  end
  for name in pairs(implemented) do
    if not known[name] then error(what .. " is there and not described: " .. name, 0) end
  end
end

return { own = own, state = state, test = test, stock = stock, same = same }
