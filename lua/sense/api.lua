-- The rule API, described once: what is validated, explained in messages and documented comes from
-- here. Fields of events come from C (SENSE_FIELDS in core/rules/event.h).
local host = ...

-- What a rule may ask for, the weakest first.
local actions = { "observe", "alert", "coach", "block", "kill", "quarantine" }

-- kind: text, choice (of `of`), number (min, max), events, texts, throttle, indicator, match, params,
-- call, engine
local policy = {
  { "title", kind = "text", max = 200, doc = "one line for people" },
  { "version", kind = "text", max = 40, doc = "changes when the policy does" },
  { "description", kind = "text", max = 2000, doc = "what it is for and what it does not see" },
  { "mode", kind = "choice", of = actions, doc = "the strongest action that a rule of this file may take" },
  { "engine", kind = "engine", doc = "oldest version of the agent that it is written for: \"0.3\"" },
}

local rule = {
  { "title", kind = "text", max = 200, required = true, doc = "one line: what was seen" },
  { "severity", kind = "choice", of = host.severities, required = true, doc = "how bad it is" },
  { "on", kind = "events", required = true, doc = "an event, or a list of them" },
  { "type", kind = "text", max = 40, default = "policy",
    doc = "kind of finding: service, local_model, ..." },
  { "confidence", kind = "number", min = 0, max = 100, default = 80, doc = "how sure, in percent" },
  { "match", kind = "match",
    doc = "conditions on fields, all of which must hold, and `any`, `all`, `none`; decided before any Lua runs" },
  { "params", kind = "params", doc = "read-only values for `when` and `finding`" },
  { "when", kind = "call", doc = "function(flow, params): true when the rule holds" },
  { "finding", kind = "call",
    doc = "function(flow, params): { summary =, severity =, confidence =, details =, evidence = }" },
  { "throttle", kind = "throttle",
    doc = "{ by = fields, every = duration }: one finding a key and period" },
  { "action", kind = "choice", of = actions, default = "alert",
    doc = "observe, alert, coach, block, kill or quarantine; this version reports it and enforces none" },
  { "indicator", kind = "indicator",
    doc = "evidence of an activity: 1 to 100, or { kind =, weight =, about = }" },
  { "tags", kind = "texts", max = 100, most = 16, doc = "words for filters: \"atlas:AML.T0024\"" },
}

-- Conditions on a field, by its type; `any` is also what a bare value or list means.
local ops = {
  string = { "any", "one_of", "none", "prefix", "suffix", "set" },
  number = { "any", "one_of", "none", "min", "max", "set" },
  boolean = { "any", "set" },
  address = { "any", "one_of", "none", "cidr", "set" },
}

-- Beside fields a `match` may hold lists of such tables: one of them holds, each does, none does.
local combinators = { "all", "any", "none" }

local throttle = { "by", "every" }
local indicator = { "kind", "weight", "about" }

return {
  policy = policy, rule = rule, actions = actions, ops = ops, combinators = combinators, throttle = throttle,
  indicator = indicator, fields = host.fields,
}
