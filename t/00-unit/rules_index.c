/* The index finds exactly the rules whose conditions all hold, in rule order. */
#include <math.h>

#include "core/base/status.h"
#include "core/rules/rule.h"
#include "t/tap.h"
#include "t/world.h"

static uint64_t state;

static unsigned draw(unsigned below)
{
	state = state * UINT64_C(6364136223846793005) + UINT64_C(1442695040888963407);
	return (unsigned)(state >> 33) % below;
}

static const char *const hosts[] = {"claude.ai",
				    "a.claude.ai",
				    "b.a.claude.ai",
				    "xclaude.ai",
				    "ai",
				    "chatgpt.com",
				    "api.openai.com",
				    "openai.com",
				    "a..b",
				    "x.y.z.openai.com",
				    ".ai",
				    "openai.com.evil.example",
				    "com"};
static const char *const paths[] = {
    "/",
    "/v1",
    "/v1/chat/completions",
    "/api/chat",
    "/api",
    "/mcp",
    "/v1/aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa",
    "/v1/aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaab"};
static const char *const words[] = {"chat", "api", "coding", "claude",  "chatgpt", "TLS",
				    "HTTP", "GET", "POST",   "sni",     "dns",     "medium",
				    "high", "A",   "B",      "TLSv1.3", "public",  "private"};
#define PICK(list) (list)[draw(sizeof(list) / sizeof(*(list)))]

static const double numbers[] = {0, 1, 6, 17, 28, 80, 443, 1000, 5000, 11434, 65535, 1048576, 1.5};

/* Fields that the events below vary; others join in now and then. */
static const enum sense_field varied[] = {SENSE_FIELD_HOST,
					  SENSE_FIELD_DNS_NAME,
					  SENSE_FIELD_HTTP_PATH,
					  SENSE_FIELD_SERVICE_ID,
					  SENSE_FIELD_SERVICE_CATEGORY,
					  SENSE_FIELD_DST_PORT,
					  SENSE_FIELD_BYTES_UP,
					  SENSE_FIELD_BYTES_DOWN,
					  SENSE_FIELD_DST_IP,
					  SENSE_FIELD_SRC_IP,
					  SENSE_FIELD_QUIC,
					  SENSE_FIELD_SERVICE_CONCLUSIVE,
					  SENSE_FIELD_NDPI_APP,
					  SENSE_FIELD_DNS_RESPONSE,
					  SENSE_FIELD_HTTP_METHOD,
					  SENSE_FIELD_JA4};

static const char *any_string(enum sense_field field)
{
	if (field == SENSE_FIELD_HTTP_PATH)
		return PICK(paths);
	return field == SENSE_FIELD_HOST || field == SENSE_FIELD_DNS_NAME ? PICK(hosts) : PICK(words);
}

static struct sense_addr any_addr(void)
{
	struct sense_addr addr = world_ip4(draw(2) ? 10 : 192, draw(3), draw(2) * 128, draw(4));
	if (!draw(4))
		memcpy(addr.bytes, "\x20\x01\x0d\xb8\0\0\0\0\0\0\0", 11);
	return addr;
}

#define STOCK 24 /* of them 8 may be shared, and four clauses have 4 each */

/* Values of one rule's conditions, while it is added. */
struct stock {
	const char *strings[STOCK][24];
	double numbers[STOCK][24];
	struct sense_cidr cidrs[STOCK][24];
	struct sense_condition conditions[STOCK];
	struct sense_clause clauses[4];
};

static void any_values(struct stock *stock, unsigned at, struct sense_condition *c)
{
	c->count = 1 + draw(draw(5) ? 2 : 24);
	c->strings = stock->strings[at];
	c->numbers = stock->numbers[at];
	c->cidrs = stock->cidrs[at];
	for (unsigned i = 0; i < c->count; i++) {
		stock->strings[at][i] = c->op == SENSE_OP_PREFIX && !draw(30) ? "" : any_string(c->field);
		stock->numbers[at][i] = PICK(numbers);
		stock->cidrs[at][i] =
		    (struct sense_cidr){any_addr(), (uint8_t)(draw(3) ? 96 + draw(33) : draw(129))};
	}
}

static void any_condition(struct stock *stock, unsigned at)
{
	struct sense_condition *c = &stock->conditions[at];
	enum sense_field field = draw(12) ? PICK(varied) : draw(SENSE_FIELD_COUNT);
	enum sense_value_type type = sense_field_type(field);

	*c = (struct sense_condition){.field = field,
				      .op = SENSE_OP_IN,
				      .negate = !draw(8),
				      .boolean = draw(2),
				      .min = -INFINITY,
				      .max = INFINITY};
	if (type == SENSE_VALUE_STRING && draw(2))
		c->op = draw(2) ? SENSE_OP_SUFFIX : SENSE_OP_PREFIX;
	if (type == SENSE_VALUE_NUMBER && draw(3))
		c->op = SENSE_OP_RANGE;
	if (type == SENSE_VALUE_ADDR)
		c->op = SENSE_OP_CIDR;
	if (!draw(12))
		c->op = SENSE_OP_SET;
	if (draw(4))
		c->min = PICK(numbers) + draw(2);
	if (draw(2))
		c->max = PICK(numbers);
	any_values(stock, at, c);
}

static unsigned any_clauses(struct stock *stock)
{
	unsigned count = 1 + draw(4);
	for (unsigned i = 0; i < count; i++) {
		stock->clauses[i] =
		    (struct sense_clause){draw(30) ? 1 + draw(3) : 0, &stock->conditions[8 + 4 * i]};
		for (unsigned j = 0; j < stock->clauses[i].condition_count; j++)
			any_condition(stock, 8 + 4 * i + j);
	}
	return count;
}

static bool any_rules(sense_ruleset *set, unsigned count, unsigned conditions, unsigned clauses)
{
	struct stock *stock = calloc(1, sizeof(*stock));
	bool good = true;
	for (unsigned i = 0; good && stock && i < count; i++) {
		char id[16];
		snprintf(id, sizeof(id), "r%u", i);
		struct sense_rule rule = {.id = id,
					  .events = 1 + draw(SENSE_ANY_EVENT),
					  .conditions = stock->conditions,
					  .condition_count = draw(20) ? 1 + draw(conditions) : 0};
		for (unsigned j = 0; j < rule.condition_count; j++)
			any_condition(stock, j);
		rule.clauses = stock->clauses;
		rule.clause_count = draw(100) < clauses ? any_clauses(stock) : 0;
		struct sense_error err;
		good = !sense_ruleset_add(set, &rule, &err);
		if (!good)
			fprintf(stderr, "# %s\n", err.message);
	}
	free(stock);
	return good;
}

static void any_event(struct world *w)
{
	w->event.kind = draw(SENSE_EVENT_KINDS);
	world_str(&w->meta.host, draw(4) ? PICK(hosts) : NULL);
	world_str(&w->meta.http_path, draw(2) ? PICK(paths) : NULL);
	world_str(&w->meta.http_method, draw(2) ? "POST" : NULL);
	w->service.id = PICK(words);
	w->service.category = PICK(words);
	w->row.conclusive = draw(2);
	w->event.host_row = draw(3) ? &w->row : NULL;
	w->event.dns = w->event.kind == SENSE_EVENT_DNS ? &w->dns : NULL;
	snprintf(w->dns.name, sizeof(w->dns.name), "%s", PICK(hosts));
	w->dns.response = draw(2);
	w->dns.type = draw(2) ? 1 : 28;
	w->flow.flags = draw(2) * SENSE_FLOW_QUIC + draw(2) * SENSE_FLOW_A_FIRST;
	w->flow.key.a = any_addr();
	w->flow.key.b = any_addr();
	w->flow.key.port_b = (uint16_t)fmin(PICK(numbers), 65535);
	w->flow.bytes[0] = (uint64_t)PICK(numbers);
	w->flow.bytes[1] = (uint64_t)PICK(numbers) + draw(2);
	w->flow.class_app = draw(2) ? 91 : 7;
}

struct hits {
	unsigned count;
	uint32_t rules[4096];
};

static bool all_hold(const struct sense_condition *conditions, unsigned count,
                     const struct sense_event *event)
{
	bool holds = true;
	for (unsigned i = 0; holds && i < count; i++)
		holds = sense_condition_holds(&conditions[i], event);
	return holds;
}

static void naive(const sense_ruleset *set, const struct sense_event *event, struct hits *hits)
{
	hits->count = 0;
	for (unsigned i = 0; i < sense_ruleset_count(set); i++) {
		const struct sense_rule *rule = sense_ruleset_get(set, i);
		bool holds = rule->events >> event->kind & 1;
		holds = holds && all_hold(rule->conditions, rule->condition_count, event);
		bool some = !rule->clause_count;
		for (unsigned j = 0; holds && !some && j < rule->clause_count; j++)
			some = all_hold(rule->clauses[j].conditions, rule->clauses[j].condition_count, event);
		holds = holds && some;
		if (holds && hits->count < 4096)
			hits->rules[hits->count++] = i;
	}
}

/* clauses: percentage of rules that have some. */
static void same(uint64_t seed, unsigned rules, unsigned conditions, unsigned clauses, unsigned events)
{
	static struct hits want;
	const uint32_t *got;
	unsigned count;
	struct world w;
	unsigned differ = 0, total = 0;
	sense_ruleset *set = sense_ruleset_new();

	state = seed;
	world_init(&w);
	bool built = set && any_rules(set, rules, conditions, clauses) && !sense_ruleset_compile(set, NULL);
	for (unsigned i = 0; built && i < events; i++) {
		any_event(&w);
		naive(set, &w.event, &want);
		count = sense_ruleset_match(set, &w.event, &got);
		total += want.count;
		for (unsigned j = 0; j < want.count; j++)
			differ += !sense_rule_holds(sense_ruleset_get(set, want.rules[j]), &w.event);
		if (count != want.count || memcmp(got, want.rules, count * sizeof(*got)))
			differ++;
	}
	ok(built && !differ && (total || rules < 50),
	   "seed %llu: %u rules of up to %u conditions, %u%% with clauses, %u events, %u hits",
	   (unsigned long long)seed, rules, conditions, clauses, events, total);
	world_fini(&w);
	sense_ruleset_free(set);
}

/* Many rules that share all but one condition: the index must still tell them apart. */
static void alike(enum sense_field field, enum sense_op op, const char *what)
{
	sense_ruleset *set = sense_ruleset_new();
	const char *chat = "chat";
	struct world w;
	const uint32_t *found;

	world_init(&w);
	for (unsigned i = 0; i < 1000; i++) {
		char id[16];
		double port = i;
		snprintf(id, sizeof(id), "r%u", i);
		struct sense_condition conditions[] = {
		    {.field = SENSE_FIELD_SERVICE_CATEGORY, .op = SENSE_OP_IN, .count = 1, .strings = &chat},
		    {.field = field,
		     .op = op,
		     .count = 1,
		     .numbers = &port,
		     .min = i * 1000.0,
		     .max = INFINITY}};
		struct sense_rule rule = {
		    .id = id, .events = SENSE_ANY_EVENT, .conditions = conditions, .condition_count = 2};
		sense_ruleset_add(set, &rule, NULL);
	}
	sense_ruleset_compile(set, NULL);
	unsigned count = sense_ruleset_match(set, &w.event, &found);
	is_num(count, op == SENSE_OP_IN ? 1 : 6, "%s: as many rules as hold", what);
	is_num(found[count - 1], op == SENSE_OP_IN ? 443 : 5, "%s: and the right ones", what);
	world_fini(&w);
	sense_ruleset_free(set);
}

static sense_ruleset *of_names(const char *format)
{
	sense_ruleset *set = sense_ruleset_new();
	for (unsigned i = 0; i < 20; i++) {
		char id[16], name[64];
		const char *names = name;
		snprintf(id, sizeof(id), "r%u", i);
		snprintf(name, sizeof(name), format, i);
		struct sense_condition condition = {
		    .field = SENSE_FIELD_HOST, .op = SENSE_OP_SUFFIX, .count = 1, .strings = &names};
		struct sense_rule rule = {
		    .id = id, .events = SENSE_ANY_EVENT, .conditions = &condition, .condition_count = 1};
		sense_ruleset_add(set, &rule, NULL);
	}
	sense_ruleset_compile(set, NULL);
	return set;
}

/* A name keeps the memo 'no rule knows it': of one index, which says nothing about the next. */
static void remembered(void)
{
	sense_ruleset *others = of_names("host%u.example"), *ours = of_names("h%u.late.example");
	const char *const names[] = {"a.host7.example", "x.h3.late.example"};
	const uint32_t *found;
	struct world w;

	world_init(&w);
	for (unsigned name = 0; name < 2; name++) {
		world_str(&w.meta.host, names[name]);
		for (unsigned round = 0; round < 3; round++) {
			is_num(sense_ruleset_match(others, &w.event, &found), name == 0, "%s, first set, round %u",
			       names[name], round);
			is_num(sense_ruleset_match(ours, &w.event, &found), name == 1, "%s, second set, round %u",
			       names[name], round);
		}
	}
	world_fini(&w);
	sense_ruleset_free(others);
	sense_ruleset_free(ours);
}

/* Rules that differ in one of many alternatives only. */
static void alternatives(void)
{
	sense_ruleset *set = sense_ruleset_new();
	struct sense_condition conditions[SENSE_RULE_CLAUSES_MAX];
	struct sense_clause clauses[SENSE_RULE_CLAUSES_MAX];
	double ports[SENSE_RULE_CLAUSES_MAX];
	const char *chat = "chat";
	const uint32_t *found;
	struct world w;
	struct sense_condition shared = {
	    .field = SENSE_FIELD_SERVICE_CATEGORY, .op = SENSE_OP_IN, .count = 1, .strings = &chat};

	world_init(&w);
	for (unsigned i = 0; i < SENSE_RULE_CLAUSES_MAX; i++) {
		ports[i] = 400 + i;
		conditions[i] = (struct sense_condition){
		    .field = SENSE_FIELD_DST_PORT, .op = SENSE_OP_IN, .count = 1, .numbers = &ports[i]};
		clauses[i] = (struct sense_clause){1, &conditions[i]};
	}
	for (unsigned i = 0; i < 70; i++) {
		char id[16];
		snprintf(id, sizeof(id), "r%u", i);
		struct sense_rule rule = {.id = id,
		                          .events = SENSE_ANY_EVENT,
		                          .conditions = &shared,
		                          .condition_count = 1,
		                          .clauses = clauses + i % 2,
		                          .clause_count = i % 2 ? 40 : SENSE_RULE_CLAUSES_MAX};
		is_num(sense_ruleset_add(set, &rule, NULL), SENSE_OK, "rule %u of many alternatives", i);
	}
	sense_ruleset_compile(set, NULL);
	is_num(sense_ruleset_match(set, &w.event, &found), 35,
	       "port 443 is an alternative of every other rule");
	ok(found[0] == 0 && found[34] == 68, "each found once, in order");
	w.flow.key.port_b = 401;
	is_num(sense_ruleset_match(set, &w.event, &found), 70, "port 401 of each");
	w.flow.key.port_b = 464;
	is_num(sense_ruleset_match(set, &w.event, &found), 0, "port 464 of none");
	world_fini(&w);
	sense_ruleset_free(set);
}

/* What a set may hold, by the bounds of rule.h. */
static void bounds(void)
{
	sense_ruleset *set = sense_ruleset_new();
	static double ports[4096];
	struct sense_condition ranges[SENSE_RULE_CONDITIONS_MAX + 1];
	struct sense_clause clauses[SENSE_RULE_CLAUSES_MAX + 1];
	struct sense_rule rule = {.id = "r", .file = "x.lua", .line = 7, .events = 1, .clauses = clauses};
	struct sense_error err = {0};

	for (unsigned i = 0; i <= SENSE_RULE_CONDITIONS_MAX; i++)
		ranges[i] = (struct sense_condition){.field = SENSE_FIELD_L4, .op = SENSE_OP_RANGE, .max = 1};
	for (unsigned i = 0; i <= SENSE_RULE_CLAUSES_MAX; i++)
		clauses[i] = (struct sense_clause){1, ranges};
	rule.clause_count = SENSE_RULE_CLAUSES_MAX + 1;
	is_num(sense_ruleset_add(set, &rule, &err), SENSE_E_CONFIG, "65 alternatives");
	is_str(err.message, "x.lua:7: rule \"r\" has more than 64 alternatives", "are too many");
	rule.clause_count = 1;
	rule.conditions = ranges;
	rule.condition_count = SENSE_RULE_CONDITIONS_MAX;
	is_num(sense_ruleset_add(set, &rule, &err), SENSE_E_CONFIG, "33 conditions, one in an alternative");
	is_str(err.message, "x.lua:7: rule \"r\" has an alternative of more than 32 conditions",
	       "are too many");
	clauses[0].conditions = &(struct sense_condition){.field = SENSE_FIELD_HOST, .op = SENSE_OP_RANGE};
	rule.condition_count = 0;
	is_num(sense_ruleset_add(set, &rule, &err), SENSE_E_CONFIG, "conditions of alternatives are checked");

	struct sense_condition list = {
	    .field = SENSE_FIELD_DST_PORT, .op = SENSE_OP_IN, .count = 4096, .numbers = ports};
	unsigned added = 0;
	rule.clause_count = 64;
	for (unsigned i = 0; i < 64; i++)
		clauses[i] = (struct sense_clause){1, &list};
	for (char id[8]; added < 8; added++) {
		snprintf(id, sizeof(id), "r%u", added);
		rule.id = id;
		if (sense_ruleset_add(set, &rule, &err))
			break;
	}
	is_num(added, 3, "values count once for each alternative");
	ok(strstr(err.message, "more than 1048576 conditions and values"), "and say so: %s", err.message);
	rule.id = "shared";
	rule.conditions = &list;
	rule.condition_count = 1;
	for (unsigned i = 0; i < 64; i++)
		clauses[i] = (struct sense_clause){1, ranges};
	is_num(sense_ruleset_add(set, &rule, &err), SENSE_E_CONFIG, "so do those that all share");
	sense_ruleset_free(set);
}

static void refuse(const struct sense_condition *condition, const char *what)
{
	sense_ruleset *set = sense_ruleset_new();
	struct sense_rule rule = {.id = "r",
				  .file = "x.lua",
				  .line = 7,
				  .events = 1,
				  .conditions = condition,
				  .condition_count = 1};
	struct sense_error err = {0};
	ok(sense_ruleset_add(set, &rule, &err) == SENSE_E_CONFIG &&
	       strstr(err.message, "x.lua:7: rule \"r\""),
	   "refused: %s (%s)", what, err.message);
	sense_ruleset_free(set);
}

static void refusals(void)
{
	const char *empty = "";
	refuse(&(struct sense_condition){.field = SENSE_FIELD_HOST, .op = SENSE_OP_RANGE}, "range on a text");
	refuse(&(struct sense_condition){.field = SENSE_FIELD_DST_PORT, .op = SENSE_OP_SUFFIX},
	       "suffix on a number");
	refuse(&(struct sense_condition){.field = SENSE_FIELD_DST_IP, .op = SENSE_OP_IN},
	       "address in a list of texts");
	refuse(&(struct sense_condition){.field = SENSE_FIELD_HOST, .op = SENSE_OP_IN}, "no values");
	refuse(
	    &(struct sense_condition){
		.field = SENSE_FIELD_HOST, .op = SENSE_OP_SUFFIX, .count = 1, .strings = &empty},
	    "empty name");
	refuse(&(struct sense_condition){.field = SENSE_FIELD_L4, .op = SENSE_OP_RANGE, .min = NAN}, "NaN");
	refuse(&(struct sense_condition){.field = SENSE_FIELD_COUNT, .op = SENSE_OP_SET}, "no such field");

	sense_ruleset *set = sense_ruleset_new();
	struct sense_rule rule = {.id = "r", .file = "x.lua", .line = 7, .events = 1};
	struct sense_error err = {0};
	is_num(sense_ruleset_add(set, &rule, &err), SENSE_OK, "a rule without conditions is a rule");
	rule.line = 9;
	is_num(sense_ruleset_add(set, &rule, &err), SENSE_E_CONFIG, "a second one of its id is not");
	is_str(err.message, "x.lua:9: rule \"r\" is declared twice; first at x.lua:7",
	       "and both places are named");
	sense_ruleset_compile(set, NULL);
	rule.id = "s";
	is_num(sense_ruleset_add(set, &rule, &err), SENSE_E_CONFIG, "nothing is added to a compiled set");
	ok(sense_ruleset_wants(set, SENSE_EVENT_FLOW_NEW) && !sense_ruleset_wants(set, SENSE_EVENT_DNS),
	   "wanted are the kinds that rules take");
	sense_ruleset_free(set);
}

int main(void)
{
	const char *seed = getenv("SENSE_TEST_SEED");
	uint64_t first = seed ? strtoull(seed, NULL, 0) : 1;

	same(first, 0, 1, 0, 10);
	for (uint64_t i = 0; i < 12; i++)
		same(first + i, 1 + 7 * (unsigned)i, 4, i % 2 * 50, 500);
	for (uint64_t i = 0; i < 6; i++)
		same(first + 100 + i, 500, 1 + (unsigned)i, 0, 300);
	for (uint64_t i = 0; i < 6; i++)
		same(first + 400 + i, 500, 1 + (unsigned)i, 100, 300);
	same(first + 200, 4000, 3, 0, 60);
	same(first + 300, 4000, 8, 20, 60);
	same(first + 500, 4000, 2, 100, 60);
	alternatives();
	remembered();
	alike(SENSE_FIELD_DST_PORT, SENSE_OP_IN, "1000 rules of one category and a port each");
	alike(SENSE_FIELD_BYTES_UP, SENSE_OP_RANGE, "1000 rules of one category and a threshold each");
	bounds();
	refusals();
	return tap_done();
}
