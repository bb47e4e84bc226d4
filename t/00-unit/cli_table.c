/* The table: fused, sorted, as wide as the terminal, and safe to print. */
#include "core/cli/table.h"

#include <stdlib.h>

#include "core/show/text.h"
#include "t/tap.h"

static struct sense_buf out;
static struct sense_table_totals totals = {.flows = 3, .packets = 1, .files = 1};

static const char *print(sense_table *table, unsigned width, bool color)
{
	struct sense_table_style style = {.width = width, .color = color};
	sense_buf_clear(&out);
	sense_table_print(table, &style, &totals, &out);
	return sense_buf_str(&out);
}

static struct sense_finding finding(const char *service, const char *host, const char *severity,
                                    const char *rule)
{
	return (struct sense_finding){.timestamp = 1,
	                              .service = service,
	                              .host = host,
	                              .severity = severity,
	                              .rule = rule,
	                              .source_ip = "10.0.0.7",
	                              .dest_ip = "192.0.2.1",
	                              .dest_port = 443};
}

/* Where a text begins; 9999 when it is not there. */
static long at(const char *text, const char *what)
{
	const char *found = strstr(text, what);
	return found ? found - text : 9999;
}

static void test_rows(void)
{
	sense_table *table = sense_table_new();
	is_str(print(table, 0, false), "0 findings in 3 flows, 1 packet, from 1 file\n", "no finding");
	totals.observed = 2;
	is_str(print(table, 0, false),
	       "0 findings in 3 flows, 1 packet, from 1 file\n"
	       "2 hits of rules that only observe: --observed shows them\n",
	       "... for rules only observe");

	struct sense_finding low = finding("claude", "claude.ai", "low", "ai.chat");
	struct sense_finding high = finding("openai", "api.openai.com", "high", "ai.api");
	struct sense_finding large = finding("gemini", "gemini.google.com", "low", "ai.chat");
	large.detail_count = 3;
	large.details[0] = (struct sense_detail){"bytes_up", SENSE_DETAIL_NUMBER, NULL, 2097152, false};
	large.details[1] = (struct sense_detail){"bytes_down", SENSE_DETAIL_NUMBER, NULL, 512, false};
	large.details[2] = (struct sense_detail){"user_agent", SENSE_DETAIL_STRING, "curl/8", 0, false};
	sense_table_finding(table, &low);
	sense_table_finding(table, &high);
	sense_table_finding(table, &low);
	sense_table_finding(table, &large);
	const char *text = print(table, 0, false);
	ok(at(text, "SERVICE") == 0, "a header comes first");
	ok(!strstr(text, "observe"), "hits of those that observe are not worth a word beside findings");
	ok(at(text, "openai") < at(text, "gemini"), "the gravest is first");
	ok(at(text, "gemini") < at(text, "claude"), "then the largest");
	ok(strstr(text, "curl/8") && strstr(text, "2.0 MiB") && strstr(text, "512 B"), "client and bytes are shown");
	ok(strstr(text, "10.0.0.7"), "the address stands for an unknown client");
	ok(strstr(text, "4 findings in 3 flows, 1 packet, from 1 file\n"), "the closing line counts all");
	unsigned lines = 0;
	for (const char *p = text; *p; p++)
		lines += *p == '\n';
	is_num(lines, 6, "equal ones share a row");
	ok(!strchr(text, '\033'), "no colour was asked for");
	ok(strstr(print(table, 0, true), "\033[31mhigh\033[0m"), "and here it was");

	struct sense_flowrecord flow = {.src_ip = "10.0.0.7",
	                                .host = "claude.ai",
	                                .dst_port = 443,
	                                .bytes_up = 3072,
	                                .bytes_down = 1};
	sense_table_flow(table, &flow);
	sense_table_flow(table, &flow);
	flow.user_agent = "claude-cli/1.0";
	sense_table_flow(table, &flow);
	flow.dst_port = 53;
	sense_table_flow(table, &flow); /* looked up, not talked to */
	flow.host = "unknown.example";
	sense_table_flow(table, &flow);
	ok(strstr(print(table, 0, false), "9.0 KiB"), "bytes of whole flows are added up");
	ok(strstr(print(table, 0, false), "claude-cli/1.0"), "and name the client");
	sense_table_free(table);
}

static void test_hostile(void)
{
	sense_table *table = sense_table_new();
	struct sense_finding bad = finding("s\033]0;x\007", "a\nb\r\xe2\x80\xae" "c\xff\xc2\x9b", "weird",
	                                   "r\x7f\t\xc3");
	sense_table_finding(table, &bad);
	const char *text = print(table, 0, false);
	bool clean = true;
	unsigned lines = 0;
	for (const unsigned char *p = (const unsigned char *)text; *p; p++) {
		lines += *p == '\n';
		clean &= (*p >= 0x20 && *p != 0x7f) || *p == '\n';
	}
	ok(clean, "control characters do not get through");
	is_num(lines, 4, "nor do line breaks");
	ok(!strstr(text, "\xe2\x80\xae"), "nor does a change of direction");
	ok(!strstr(text, "\xc2\x9b"), "nor do C1 controls");

	struct sense_finding none = {.timestamp = 1, .severity = "low", .rule = "r"};
	sense_table_finding(table, &none);
	ok(print(table, 0, false) != NULL, "a finding without any name is a row");
	none.dest_ip = "2001:db8::1";
	none.dest_port = 11434;
	sense_table_finding(table, &none);
	ok(strstr(print(table, 0, false), "[2001:db8::1]:11434"), "an address stands for an unknown host");
	sense_table_free(table);
}

static void test_width(void)
{
	sense_table *table = sense_table_new();
	struct sense_finding wide =
	    finding("a-service-with-a-long-name", "a.host.with.a.very.long.name.indeed.and.more.example.com",
	            "medium", "policy.with.a.long.rule.name.of.many.words");
	sense_table_finding(table, &wide);
	char text[4096], *rest = text, *line;
	snprintf(text, sizeof text, "%s", print(table, 80, false));
	unsigned widest = 0;
	while ((line = strsep(&rest, "\n")))
		widest = sense_text_width(line) > widest ? sense_text_width(line) : widest;
	is_num(widest, 80, "it fits the terminal");
	ok(strstr(print(table, 80, false), "\xe2\x80\xa6"), "what was cut is marked");
	ok(strstr(print(table, 80, false), "medium"), "the severity is not");
	ok(print(table, 5, false) != NULL, "a terminal that is too narrow for all does no harm");
	ok(!strstr(print(table, 0, false), "\xe2\x80\xa6"), "into a file nothing is cut");
	sense_table_free(table);
}

static void test_bounds(void)
{
	sense_table *table = sense_table_new();
	char host[32];
	for (unsigned i = 0; i < 9000; i++) {
		struct sense_finding many = finding("s", host, "low", "r");
		snprintf(host, sizeof host, "h%u.example", i);
		sense_table_finding(table, &many);
	}
	const char *text = print(table, 0, false);
	ok(strstr(text, "(808 further findings"), "rows are bounded, and what is beyond is said");
	ok(strstr(text, "9000 findings in"), "and counted");
	sense_table_free(table);
}

static void test_fit(void)
{
	static const struct {
		const char *text, *want;
		unsigned columns;
		bool right;
	} cases[] = {
	    {"abc", "abc  ", 5, false},
	    {"abc", "  abc", 5, true},
	    {"abcdef", "ab\xe2\x80\xa6", 3, false},
	    {"\xe4\xbd\xa0\xe5\xa5\xbd", "\xe4\xbd\xa0\xe5\xa5\xbd", 4, false},
	    {"\xe4\xbd\xa0\xe5\xa5\xbd", "\xe4\xbd\xa0\xe2\x80\xa6", 3, false},
	    {"\xe4\xbd\xa0\xe5\xa5\xbd", "\xe2\x80\xa6 ", 2, false},
	    {"abc", "", 0, false},
	};
	for (unsigned i = 0; i < sizeof cases / sizeof *cases; i++) {
		sense_buf_clear(&out);
		sense_text_fit(&out, cases[i].text, cases[i].columns, cases[i].right);
		is_str(sense_buf_str(&out), cases[i].want, "fitting, case %u", i);
	}
	char small[5];
	sense_text_clean("abc\xe4\xbd\xa0", small, sizeof small);
	is_str(small, "abc", "cleaning cuts between characters");
}

int main(void)
{
	sense_buf_init(&out, 0);
	test_rows();
	test_hostile();
	test_width();
	test_bounds();
	test_fit();
	sense_buf_fini(&out);
	return tap_done();
}
