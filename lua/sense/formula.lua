-- Conditions in disjunctive form: a list of alternatives, each a list of conditions that must hold
-- together. What `any`, `all` and `none` say in a `match` becomes one of these, which the index can file.
local host = ...

local OP_SET = host.ops.set
local CLAUSES_MAX, CONDITIONS_MAX = 64, 32 -- SENSE_RULE_..._MAX of core/rules/rule.h

local TOO_WIDE = ("makes more than %d alternatives: split the rule"):format(CLAUSES_MAX)
local TOO_LONG = ("makes an alternative of more than %d conditions: split the rule"):format(CONDITIONS_MAX)

-- The opposite. A value that is not known satisfies no condition, and so every one that is negated.
local function negated(condition)
  local copy = {}
  for key, value in pairs(condition) do copy[key] = value end
  if condition.op == OP_SET then
    copy.boolean = not condition.boolean -- rather than negated, which the index could not file
  else
    copy.negate = not condition.negate
  end
  return copy
end

-- Holds when one of the parts does. nil and why, when it gets too large.
local function either(parts)
  local clauses = {}
  for _, part in ipairs(parts) do
    for _, clause in ipairs(part) do clauses[#clauses + 1] = clause end
    if #clauses > CLAUSES_MAX then return nil, TOO_WIDE end
  end
  return clauses
end

local function joined(a, b)
  local all = {}
  for i = 1, #a do all[i] = a[i] end
  for i = 1, #b do all[#a + i] = b[i] end
  return all
end

-- Holds when all the parts do: each alternative of one with each of the others.
local function both(parts)
  local clauses = { {} }
  for _, part in ipairs(parts) do
    local product = {}
    if #clauses * #part > CLAUSES_MAX then return nil, TOO_WIDE end
    for _, clause in ipairs(clauses) do
      for _, other in ipairs(part) do
        if #clause + #other > CONDITIONS_MAX then return nil, TOO_LONG end
        product[#product + 1] = joined(clause, other)
      end
    end
    clauses = product
  end
  return clauses
end

-- For lua/policy.c: every condition once, those that all alternatives share first (`shared` of them), and
-- the other ones as numbers in `clauses`. nil and why, when it gets too large.
local function flat(parts)
  local out, choices, number_of = { conditions = {}, shared = 0, clauses = {} }, {}, {}
  for _, part in ipairs(parts) do
    if #part == 1 then
      for _, condition in ipairs(part[1]) do out.conditions[#out.conditions + 1] = condition end
    else
      choices[#choices + 1] = part
    end
  end
  out.shared = #out.conditions
  if out.shared > CONDITIONS_MAX then return nil, TOO_LONG end
  if #choices == 0 then return out end
  local clauses, why = both(choices)
  for i, clause in ipairs(clauses or {}) do
    if out.shared + #clause > CONDITIONS_MAX then return nil, TOO_LONG end
    local numbers = {}
    for j, condition in ipairs(clause) do
      if not number_of[condition] then
        out.conditions[#out.conditions + 1] = condition
        number_of[condition] = #out.conditions
      end
      numbers[j] = number_of[condition]
    end
    out.clauses[i] = numbers
  end
  return clauses and out, why
end

return { negated = negated, either = either, both = both, flat = flat, CLAUSES_MAX = CLAUSES_MAX }
