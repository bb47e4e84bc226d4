/* What each kind of condition means, by hand; rules_index.c then holds the index to it. */
#include <math.h>

#include "core/base/buf.h"
#include "core/rules/explain.h"
#include "t/tap.h"
#include "t/world.h"

static struct sense_value text(const char *s)
{
	return (struct sense_value){.type = SENSE_VALUE_STRING, .string = {s, (uint32_t)strlen(s)}};
}

static struct sense_value num(double n)
{
	return (struct sense_value){.type = SENSE_VALUE_NUMBER, .number = n};
}

static bool strings(enum sense_op op, const char *const *list, unsigned count, const char *value)
{
	struct sense_condition c = {.field = SENSE_FIELD_HOST, .op = op, .count = count, .strings = list};
	struct sense_value v = text(value);
	bool plain = sense_condition_test(&c, &v);
	c.negate = true;
	bool negated = sense_condition_test(&c, &v);
	return plain && !negated;
}

static void suffixes(void)
{
	const char *names[] = {"openai.com", "claude.ai"};
	ok(strings(SENSE_OP_SUFFIX, names, 2, "openai.com"), "a name is below itself");
	ok(strings(SENSE_OP_SUFFIX, names, 2, "api.openai.com"), "and so is one with a label before it");
	ok(strings(SENSE_OP_SUFFIX, names, 2, "a.b.claude.ai"), "or two");
	static const char *const others[] = {"xopenai.com",
					     "api-openai.com",
					     "notopenai.com",
					     "openai.com.evil.example",
					     "openai.co",
					     "com",
					     "",
					     ".",
					     "openai.com.",
					     "penai.com"};
	for (size_t i = 0; i < sizeof(others) / sizeof(*others); i++)
		ok(!strings(SENSE_OP_SUFFIX, names, 2, others[i]), "not below: '%s'", others[i]);
}

static void lists(void)
{
	const char *words[] = {"b", "a", "chat"};
	const char *sorted[] = {"a", "b", "ba", "c", "chat", "d"};
	ok(strings(SENSE_OP_IN, words, 3, "chat") && !strings(SENSE_OP_IN, words, 3, "cha") &&
	       !strings(SENSE_OP_IN, words, 3, "chats"),
	   "one of a list, whole");
	struct sense_condition c = {
	    .field = SENSE_FIELD_HOST, .op = SENSE_OP_IN, .count = 6, .strings = sorted, .sorted = true};
	unsigned found = 0;
	for (unsigned i = 0; i < 6; i++) {
		struct sense_value v = text(sorted[i]);
		found += sense_condition_test(&c, &v);
	}
	is_num(found, 6, "all of a sorted list are found");
	struct sense_value v = text("bb");
	ok(!sense_condition_test(&c, &v), "and no other");
	v = (struct sense_value){.type = SENSE_VALUE_STRING, .string = {"a\0b", 3}};
	ok(!sense_condition_test(&c, &v), "a NUL does not end the text of an event");
	ok(strings(SENSE_OP_PREFIX, words, 3, "chats") && !strings(SENSE_OP_PREFIX, words, 3, "cha"),
	   "begins with");
}

static void numbers(void)
{
	double ports[] = {443, 11434};
	struct sense_condition in = {
	    .field = SENSE_FIELD_DST_PORT, .op = SENSE_OP_IN, .count = 2, .numbers = ports};
	struct sense_condition range = {
	    .field = SENSE_FIELD_BYTES_UP, .op = SENSE_OP_RANGE, .min = 10, .max = 20};
	struct sense_value a = num(11434), b = num(80), low = num(10), high = num(20), over = num(20.5),
			   none = {0};
	ok(sense_condition_test(&in, &a) && !sense_condition_test(&in, &b), "one of the numbers");
	ok(sense_condition_test(&range, &low) && sense_condition_test(&range, &high) &&
	       !sense_condition_test(&range, &over),
	   "a range holds both its ends");
	range.max = INFINITY;
	ok(sense_condition_test(&range, &over), "or has none");
	ok(!sense_condition_test(&range, &none), "what is not set is in no range");
	range.negate = true;
	ok(sense_condition_test(&range, &none), "and so outside of each");
	struct sense_condition set = {.field = SENSE_FIELD_HOST, .op = SENSE_OP_SET, .boolean = true};
	ok(sense_condition_test(&set, &a) && !sense_condition_test(&set, &none), "is set");
	set.boolean = false;
	ok(!sense_condition_test(&set, &a) && sense_condition_test(&set, &none), "is not set");
	struct sense_value yes = {.type = SENSE_VALUE_BOOL, .boolean = true};
	struct sense_condition quic = {.field = SENSE_FIELD_QUIC, .op = SENSE_OP_IN, .boolean = true};
	ok(sense_condition_test(&quic, &yes) && !sense_condition_test(&quic, &none), "a boolean");
}

static bool in_net(struct sense_addr net, uint8_t bits, struct sense_addr addr)
{
	struct sense_cidr cidr = {net, bits};
	struct sense_condition c = {
	    .field = SENSE_FIELD_DST_IP, .op = SENSE_OP_CIDR, .count = 1, .cidrs = &cidr};
	struct sense_value v = {.type = SENSE_VALUE_ADDR, .addr = addr};
	return sense_condition_test(&c, &v);
}

static void networks(void)
{
	struct sense_addr ten = world_ip4(10, 0, 0, 0), six = {{0x20, 0x01}};
	ok(in_net(ten, 104, world_ip4(10, 255, 1, 2)) && !in_net(ten, 104, world_ip4(11, 0, 0, 0)),
	   "10.0.0.0/8");
	ok(in_net(world_ip4(172, 16, 0, 0), 108, world_ip4(172, 31, 9, 9)) &&
	       !in_net(world_ip4(172, 16, 0, 0), 108, world_ip4(172, 32, 0, 0)),
	   "172.16.0.0/12");
	ok(in_net(ten, 128, ten) && !in_net(ten, 128, world_ip4(10, 0, 0, 1)), "a single address");
	ok(in_net(ten, 0, six), "all addresses");
	ok(!in_net(six, 16, ten) && in_net(six, 16, six), "IPv6 apart from IPv4");
}

/* The rule with two: the first of the three conditions, and the other two. */
static void alternatives(struct world *w, struct sense_rule *rule, struct sense_condition *conditions)
{
	struct sense_buf out;
	sense_buf_init(&out, 0);
	struct sense_clause clauses[] = {{1, conditions}, {2, conditions + 1}};
	rule->clauses = clauses;
	rule->clause_count = 2;
	sense_buf_clear(&out);
	ok(!sense_rule_explain(rule, &w->event, &out).holds && !sense_rule_holds(rule, &w->event),
	   "no alternative holds");
	is_str(sense_buf_str(&out),
	       "up on flow.classified\n"
	       "  yes  service.category is \"chat\"; wanted: one of \"api\", \"chat\"\n"
	       "  NO   0 of 2 alternatives hold\n"
	       "       alternative 1\n"
	       "         NO   bytes_up is 5000; wanted: at least 1048576\n"
	       "       alternative 2\n"
	       "         NO   src_ip is 10.1.2.3; wanted: not within 10.0.0.0/8\n"
	       "         NO   client is not set; wanted: set\n",
	       "and each says on what it failed");
	conditions[0].min = 1000;
	sense_buf_clear(&out);
	ok(sense_rule_explain(rule, &w->event, &out).holds && sense_rule_holds(rule, &w->event), "one holds");
	is_str(sense_buf_str(&out),
	       "up on flow.classified\n"
	       "  yes  service.category is \"chat\"; wanted: one of \"api\", \"chat\"\n"
	       "  yes  1 of 2 alternatives holds\n"
	       "       alternative 1\n"
	       "         yes  bytes_up is 5000; wanted: at least 1000\n",
	       "and is shown alone");
	sense_buf_fini(&out);
	rule->clauses = NULL; /* they end here */
	rule->clause_count = 0;
}

static void explained(void)
{
	struct world w;
	struct sense_buf out;
	const char *chat[] = {"api", "chat"};
	struct sense_cidr cidr = {world_ip4(10, 0, 0, 0), 104};
	struct sense_condition conditions[] = {
	    {.field = SENSE_FIELD_SERVICE_CATEGORY, .op = SENSE_OP_IN, .count = 2, .strings = chat},
	    {.field = SENSE_FIELD_BYTES_UP, .op = SENSE_OP_RANGE, .min = 1048576, .max = INFINITY},
	    {.field = SENSE_FIELD_SRC_IP, .op = SENSE_OP_CIDR, .count = 1, .cidrs = &cidr, .negate = true},
	    {.field = SENSE_FIELD_CLIENT, .op = SENSE_OP_SET, .boolean = true}};
	struct sense_rule rule = {.id = "up",
				  .events = 1u << SENSE_EVENT_FLOW_CLASSIFIED,
				  .conditions = conditions,
				  .condition_count = 4};

	world_init(&w);
	sense_buf_init(&out, 0);
	ok(!sense_rule_explain(&rule, &w.event, &out).holds, "explain: it does not match");
	is_str(sense_buf_str(&out),
	       "up on flow.classified\n"
	       "  yes  service.category is \"chat\"; wanted: one of \"api\", \"chat\"\n"
	       "  NO   bytes_up is 5000; wanted: at least 1048576\n"
	       "  NO   src_ip is 10.1.2.3; wanted: not within 10.0.0.0/8\n"
	       "  NO   client is not set; wanted: set\n",
	       "and why");
	rule.condition_count = 1;
	ok(sense_rule_explain(&rule, &w.event, &out).holds, "with the first condition alone it does");
	alternatives(&w, &rule, conditions + 1);
	w.event.kind = SENSE_EVENT_DNS;
	sense_buf_clear(&out);
	ok(!sense_rule_explain(&rule, &w.event, &out).holds &&
	       strstr(sense_buf_str(&out), "does not take this event"),
	   "but not on an event that it does not take");
	sense_buf_fini(&out);
	world_fini(&w);
}

static void words(void)
{
	is_str(sense_severity_name(SENSE_CRITICAL), "critical", "severity by number");
	is_num(sense_severity_find("low"), SENSE_LOW, "severity by name");
	is_num(sense_severity_find("severe"), -1, "no such severity");
}

int main(void)
{
	suffixes();
	lists();
	numbers();
	networks();
	explained();
	words();
	return tap_done();
}
