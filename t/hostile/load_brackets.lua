-- Long brackets that look like comments.
-- expect: harmless
local a = [==[ ]] --[[ 1LL ]==] --[[ x ]] local b = [[
1i ]]
assert(#a == 13 and #b == 3)
rule "hostile.load_brackets" { title = "hostile", severity = "info", on = "flow.classified", match = { host = "huggingface.co" } }
