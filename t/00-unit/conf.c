#include <stdlib.h>

#include "core/conf/agent.h"
#include "core/conf/units.h"
#include "lua/conf_file.h"
#include "t/tap.h"

static struct sense_conf conf;

static bool reported(const struct sense_report *report, const char *want)
{
	char text[2048];
	for (unsigned i = 0; i < report->count && i < SENSE_REPORT_MAX; i++) {
		sense_problem_format(&report->items[i], text, sizeof text);
		if (!strcmp(text, want))
			return true;
	}
	fprintf(stderr, "# wanted: %s\n", want);
	sense_report_print(report, stderr);
	return false;
}

static void units(void)
{
	static const struct {
		const char *text;
		double want; /* -1: refused */
	} bytes[] =
	    {
		{"0", 0},
		{"512", 512},
		{"10k", 10240},
		{"10kB", 10000},
		{"1MiB", 1048576},
		{"1.5 MiB", 1572864},
		{"2GB", 2e9},
		{"1 GiB", 1073741824},
		{"12b", 12},
		{"", -1},
		{"MiB", -1},
		{"-1", -1},
		{"1.", -1},
		{".5k", -1},
		{"1MiBs", -1},
		{"0x10", -1},
		{"1e3", -1},
		{"inf", -1},
		{"99999999999999999999", -1},
		{"1s", -1},
	    },
	  times[] = {
	      {"5ms", 5000},  {"250us", 250},  {"30s", 30e6}, {"30", 30e6}, {"10m", 600e6},
	      {"2h", 7200e6}, {"1d", 86400e6}, {"0.5s", 5e5}, {"1MiB", -1}, {"m", -1},
	  };
	uint64_t got;
	for (size_t i = 0; i < sizeof bytes / sizeof *bytes; i++) {
		bool good = sense_bytes_parse(bytes[i].text, &got);
		ok(good ? (double)got == bytes[i].want : bytes[i].want < 0, "bytes '%s'", bytes[i].text);
	}
	for (size_t i = 0; i < sizeof times / sizeof *times; i++) {
		bool good = sense_duration_parse(times[i].text, &got);
		ok(good ? (double)got == times[i].want : times[i].want < 0, "duration '%s'", times[i].text);
	}
	char text[64];
	sense_bytes_format(1258291, text, sizeof text);
	is_str(text, "1.2 MiB", "bytes for people");
	sense_bytes_format(1023, text, sizeof text);
	is_str(text, "1023 B", "below a KiB");
	sense_bytes_format(1048575, text, sizeof text);
	is_str(text, "1.0 MiB", "rounding carries into the unit");
	sense_duration_format(90, text, sizeof text);
	is_str(text, "1m 30s", "durations for people");
	sense_duration_format(0.35, text, sizeof text);
	is_str(text, "350 ms", "below a second");
	sense_duration_format(59.99, text, sizeof text);
	is_str(text, "1m 0s", "rounding carries into minutes");
}

static enum sense_status load(const char *text, struct sense_report *report)
{
	struct sense_error err;
	sense_report_init(report);
	return sense_conf_text_load(&conf, "agent.lua", text, strlen(text), report, &err);
}

static void good_file(void)
{
	static struct sense_report report;
	unsigned count;
	enum sense_status status =
	    load("local n = 100\nflow = { max = n * 2000, idle_timeout = '2m' }\n"
		 "log = { level = 'debug' }\nrules = { memory = '32MiB' }\n"
		 "return { policies = { dirs = { '/etc/sense/policies', '/opt/p' } } }\n",
		 &report);
	is_num(status, SENSE_OK, "a good file loads");
	sense_report_print(&report, stderr);
	is_num(sense_conf_number(&conf, SENSE_CONF_FLOW_MAX), 200000, "computed number");
	is_num(sense_conf_number(&conf, SENSE_CONF_FLOW_IDLE_TIMEOUT), 120000000, "duration");
	is_num(sense_conf_number(&conf, SENSE_CONF_RULES_MEMORY), 33554432, "size");
	is_num(sense_conf_number(&conf, SENSE_CONF_LOG_LEVEL), SENSE_LOG_DEBUG, "choice, as its index");
	const char *const *dirs = sense_conf_list(&conf, SENSE_CONF_POLICIES_DIRS, &count);
	is_num(count, 2, "list");
	is_str(dirs[1], "/opt/p", "list item");
	is_str(conf.values[SENSE_CONF_FLOW_MAX].origin, "agent.lua", "knows where it came from");
	is_str(conf.values[SENSE_CONF_NAMES_CACHE].origin, "default", "so does a default");
	sense_report_fini(&report);
}

static void bad_file(void)
{
	static struct sense_report report;
	enum sense_status status =
	    load("flow = { maxx = 5,\n max = 'many' }\nlogg = 1\nlog = {\n level = 'loud' }\n"
		 "rules = { memory = '1k' }\nnames = { cache = -1 }\nplugins = { dir = { 'a' } }\n",
		 &report);
	is_num(status, SENSE_E_CONFIG, "a bad file fails");
	ok(reported(&report, "agent.lua:1: flow.maxx: unknown key, did you mean 'flow.max'?"), "unknown key");
	ok(reported(&report, "agent.lua:2: flow.max: 'many' is not a whole number"), "wrong type");
	ok(reported(&report, "agent.lua:3: logg: unknown key"), "unknown group");
	ok(reported(&report, "agent.lua:5: log.level: 'loud' is not one of: error warn info debug"),
	   "choice");
	ok(reported(&report, "agent.lua:6: rules.memory: '1k' is out of range: 4.0 MiB to 4.0 GiB"), "range");
	ok(reported(&report, "agent.lua:7: names.cache: '-1' is not a whole number"), "negative");
	ok(reported(&report, "agent.lua:8: plugins.dir: takes one value, not a list"), "list for a text");
	is_num(report.count, 7, "all problems of a run at once");
	is_num(sense_conf_number(&conf, SENSE_CONF_FLOW_MAX), 200000, "a refused value changes nothing");
	sense_report_fini(&report);

	is_num(load("flow = {\n max = = 1\n}", &report), SENSE_E_CONFIG, "syntax error");
	is_num(report.items[0].line, 2, "with its line");
	sense_report_fini(&report);
	is_num(load("os.execute('true')", &report), SENSE_E_CONFIG, "no os in a configuration file");
	sense_report_fini(&report);
	is_num(load("\x1bLJ\x02", &report), SENSE_E_CONFIG, "no bytecode");
	sense_report_fini(&report);
	is_num(load("local a = {} a.a = a; flow = a", &report), SENSE_E_CONFIG, "a cyclic table ends");
	sense_report_fini(&report);
}

static void environment(void)
{
	static struct sense_report report;
	struct sense_error err;
	char max[] = "SENSE_FLOW_MAX=4096", other[] = "SENSE_FLOW_MAXIMUM=1",
	     dirs[] = "SENSE_POLICIES_DIRS=/a:/b";
	char bad[] = "SENSE_NAMES_CACHE=x";
	char *good_env[] = {other, max, dirs, NULL}, *bad_env[] = {bad, NULL};
	unsigned count;
	sense_report_init(&report);
	is_num(sense_conf_environment(&conf, good_env, &report, &err), SENSE_OK, "environment");
	is_num(sense_conf_number(&conf, SENSE_CONF_FLOW_MAX), 4096, "wins over the file");
	is_str(conf.values[SENSE_CONF_FLOW_MAX].origin, "environment SENSE_FLOW_MAX", "origin");
	is_str(sense_conf_list(&conf, SENSE_CONF_POLICIES_DIRS, &count)[1], "/b", "list of the environment");
	is_num(sense_conf_environment(&conf, bad_env, &report, &err), SENSE_E_CONFIG, "bad environment");
	ok(reported(&report, "SENSE_NAMES_CACHE: 'x' is not a whole number"), "says which");
	sense_report_fini(&report);
}

static void print(void)
{
	static struct sense_report report;
	struct sense_error err;
	char *text = NULL;
	size_t len = 0;
	FILE *out = open_memstream(&text, &len);
	sense_conf_set(&conf, "plugins.dir", "a\"b\\\n7", "test", &err);
	sense_conf_print(&conf, out);
	fclose(out);
	ok(strstr(text, "max = 4096, -- flows kept at one time (environment SENSE_FLOW_MAX)"), "printed");
	struct sense_conf before = conf;
	sense_conf_init(&conf, &sense_agent_conf, &err);
	is_num(load(text, &report), SENSE_OK, "what is printed loads again");
	bool same = true;
	for (unsigned i = 0; i < SENSE_CONF_COUNT; i++)
		same = same && !strcmp(conf.values[i].text, before.values[i].text);
	ok(same, "with the same values");
	sense_report_fini(&report);
	sense_conf_fini(&before);
	free(text);
}

/* A group that stood twice in a file would be assigned twice, and the first be lost. */
static void groups(void)
{
	unsigned apart = 0;
	for (int i = 1; i < SENSE_CONF_COUNT; i++) {
		const char *name = sense_agent_conf.keys[i].name;
		size_t len = strcspn(name, ".") + 1;
		bool beside = !strncmp(sense_agent_conf.keys[i - 1].name, name, len);
		for (int k = 0; k < i - 1 && !beside; k++)
			apart += !strncmp(sense_agent_conf.keys[k].name, name, len);
	}
	is_num(apart, 0, "keys of a group stand together");
}

int main(void)
{
	struct sense_error err;
	is_num(sense_conf_init(&conf, &sense_agent_conf, &err), SENSE_OK, "the defaults are valid");
	is_num(sense_conf_number(&conf, SENSE_CONF_FLOW_MAX), 262144, "default");
	units();
	good_file();
	bad_file();
	environment();
	print();
	groups();
	sense_conf_fini(&conf);
	return tap_done();
}
