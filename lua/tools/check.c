/* `check`: loads the policies as a worker would, and says all that is wrong with them. */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "core/show/json.h"
#include "lua/tools/tools.h"

/* What an editor holds and has not saved, in place of the file of that name. */
static enum sense_status stdin_add(struct sense_policy_sources *sources, const char *file, sense_error *err)
{
	char name[4096];
	enum sense_status status = SENSE_OK;
	struct sense_buf text;
	sense_buf_init(&text, 2 * SENSE_POLICY_BYTES_MAX);
	for (ssize_t got = 1; got && text.len <= SENSE_POLICY_BYTES_MAX;) {
		char data[8192];
		got = read(STDIN_FILENO, data, sizeof data);
		if (got < 0 && errno == EINTR)
			continue;
		if (got < 0) {
			status = sense_fail_errno(err, "policy", "cannot read stdin");
			goto out;
		}
		sense_buf_add(&text, data, (size_t)got);
	}
	size_t len = strlen(file);
	int base = (int)(len > 4 && !strcmp(file + len - 4, ".lua") ? len - 4 : len);
	snprintf(name, sizeof name, "%.*s", base, file);
	status = sense_policy_source_add(sources, file, name, sense_buf_str(&text), text.len, err);
	if (!status && text.failed)
		status = sense_fail(err, SENSE_E_MEMORY, "policy", "no memory for %s", file);
out:
	sense_buf_fini(&text);
	return status;
}

static bool same_file(const char *a, const char *b)
{
	char *one = realpath(a, NULL), *other = realpath(b, NULL);
	bool same = one && other ? !strcmp(one, other) : !strcmp(a, b);
	free(one);
	free(other);
	return same;
}

/* Takes out the file that the text on stdin is going to replace. */
static void replaced_drop(struct sense_policy_sources *sources, const char *file)
{
	unsigned kept = 0;
	for (unsigned i = 0; i < sources->count; i++)
		if (!same_file(sources->items[i].file, file))
			sources->items[kept++] = sources->items[i];
	sources->count = kept;
}

static enum sense_status sources_read(const struct sense_station *station, const struct sense_cli *cli,
                                      struct sense_policy_sources *sources, sense_error *err)
{
	enum sense_status status = SENSE_OK;
	const char *file = cli->name ? cli->name : "stdin.lua";
	bool from_stdin = false;
	for (unsigned i = 0; i < cli->path_count && !status; i++) {
		bool is_stdin = !strcmp(cli->paths[i], "-");
		if (is_stdin && from_stdin)
			return sense_fail(err, SENSE_E_CONFIG, "check", "stdin can be checked once only");
		from_stdin = from_stdin || is_stdin;
		if (!is_stdin)
			status = sense_station_read(station, &cli->paths[i], 1, sources, err);
	}
	if (status || !from_stdin)
		return status;
	replaced_drop(sources, file);
	return stdin_add(sources, file, err);
}

/* ---- what comes out ---- */

static void json_problem(struct sense_json *json, const struct sense_problem *problem)
{
	sense_json_open(json, '{');
	sense_json_member(json, "file", problem->file);
	sense_json_member_uint(json, "line", problem->line > 0 ? (unsigned)problem->line : 0);
	sense_json_member(json, "rule", problem->rule);
	sense_json_member(json, "key", problem->key);
	sense_json_member(json, "message", problem->message);
	sense_json_close(json, '}');
}

/* What can be said of a rule without its conditions and functions. */
static void json_rule(struct sense_json *json, const struct sense_rule *rule)
{
	unsigned events = 0;
	const char *on[SENSE_EVENT_KINDS];
	for (unsigned kind = 0; kind < SENSE_EVENT_KINDS; kind++)
		if (rule->events & UINT32_C(1) << kind)
			on[events++] = sense_event_name((enum sense_event_kind)kind);
	sense_json_open(json, '{');
	sense_json_member(json, "id", rule->id);
	sense_json_member(json, "policy", rule->policy);
	sense_json_member(json, "file", rule->file);
	sense_json_member_uint(json, "line", rule->line > 0 ? (unsigned)rule->line : 0);
	sense_json_member(json, "title", rule->title);
	sense_json_member(json, "type", rule->type);
	sense_json_member(json, "severity", sense_severity_name(rule->severity));
	sense_json_member_uint(json, "confidence", rule->confidence);
	sense_json_member(json, "action", rule->action);
	sense_json_member_list(json, "on", on, events);
	sense_json_member_list(json, "tags", rule->tags, rule->tag_count);
	sense_json_member_bool(json, "throttled", rule->throttle_us != 0);
	sense_json_member_uint(json, "indicator", rule->indicator.weight);
	sense_json_close(json, '}');
}

static void json_print(const sense_ruleset *set, bool bad, unsigned files, const struct sense_report *report)
{
	unsigned rules = set ? sense_ruleset_count(set) : 0;
	struct sense_buf out;
	struct sense_json json = {.out = &out};
	sense_buf_init(&out, 0);
	sense_json_open(&json, '{');
	sense_json_member_bool(&json, "ok", !bad);
	sense_json_member_uint(&json, "rules", rules);
	sense_json_member_uint(&json, "files", files);
	sense_json_key(&json, "problems");
	sense_json_open(&json, '[');
	for (unsigned i = 0; i < report->count && i < SENSE_REPORT_MAX; i++)
		json_problem(&json, &report->items[i]);
	sense_json_close(&json, ']');
	sense_json_member_uint(&json, "problems_left_out", report->count > SENSE_REPORT_MAX ? report->count - SENSE_REPORT_MAX : 0);
	sense_json_key(&json, "rule_list");
	sense_json_open(&json, '[');
	for (unsigned i = 0; i < rules; i++)
		json_rule(&json, sense_ruleset_get(set, i));
	sense_json_close(&json, ']');
	sense_json_close(&json, '}');
	puts(sense_buf_str(&out));
	sense_buf_fini(&out);
}

static void text_print(const sense_ruleset *set, bool bad, unsigned files, const struct sense_report *report)
{
	unsigned rules = set ? sense_ruleset_count(set) : 0;
	sense_report_print(report, stderr);
	if (bad)
		fprintf(stderr, "sense-agent: %u problem%s\n", report->count, report->count == 1 ? "" : "s");
	else
		printf("no mistakes: %u rule%s in %u file%s\n", rules, rules == 1 ? "" : "s", files,
		       files == 1 ? "" : "s");
}

int sense_tool_check(const struct sense_conf *conf, const struct sense_cli *cli)
{
	sense_error err;
	struct sense_report report;
	struct sense_policy_sources sources;
	struct sense_station station = {.conf = conf};
	sense_report_init(&report);
	sense_policy_sources_init(&sources);
	bool bad = sources_read(&station, cli, &sources, &err) ||
	           sense_station_rules(&station, &sources, NULL, &report, &err);
	if (bad && !report.count && !cli->json) {
		sense_tool_fail(&err);
	} else {
		struct sense_problem problem = {.message = err.message};
		if (bad && !report.count)
			sense_report_add(&report, &problem);
		(cli->json ? json_print : text_print)(station.rules, bad, sources.count, &report);
	}
	sense_station_close(&station);
	sense_policy_sources_fini(&sources);
	sense_report_fini(&report);
	return bad ? SENSE_EXIT_FAILED : SENSE_EXIT_OK;
}
