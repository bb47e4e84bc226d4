#include "core/cli/status.h"

#include <stdio.h>
#include <string.h>
#include <time.h>

#include "core/show/json.h"

#define PROBLEMS_SHOWN 10u /* in `status`; `reload` tells all that were kept */

typedef unsigned long long ull;

/* ---- what there is to say ------------------------------------------------------------------------- */

struct disk {
	char hash[SENSE_BUNDLE_HASH_MAX];
	bool differs;
	bool unreadable;
	sense_error err;
};

static void disk_look(const struct sense_generations *all, struct disk *disk)
{
	*disk = (struct disk){0};
	disk->unreadable = sense_generations_disk(all, disk->hash, &disk->err) != SENSE_OK;
	disk->differs = disk->unreadable || strcmp(disk->hash, all->now.hash) != 0;
}

static const char *time_text(uint64_t us, char out[32])
{
	time_t seconds = (time_t)(us / 1000000);
	struct tm utc;
	strftime(out, 32, "%Y-%m-%dT%H:%M:%SZ", gmtime_r(&seconds, &utc));
	return out;
}

static void rules_sum(const struct sense_crew *crew, unsigned *failing, unsigned *quarantined)
{
	struct sense_rule_counts counts;
	*failing = *quarantined = 0;
	for (unsigned i = 0; i < sense_crew_rules(crew); i++) {
		sense_crew_rule_counts(crew, i, &counts);
		*failing += counts.errors != 0;
		*quarantined += sense_crew_quarantined(crew, i);
	}
}

/*
 * Numbers of a rule: the head of its column, its member in JSON, and its value. One line each.
 */
#define RULE_COLUMNS(X)                                                                            \
	X("MATCHED", "matched", counts.matched)                                               \
	X("HELD", "held", counts.held)                                                        \
	X("FINDINGS", "findings", counts.findings)                                            \
	X("THROTTLED", "throttled", counts.suppressed)                                        \
	X("ERRORS", "errors", counts.errors)                                                  \
	X("SKIPPED", "skipped", counts.skipped)                                               \
	X("CPU_MS", "cpu_ms", counts.cpu_us / 1000)

/* ---- JSON ----------------------------------------------------------------------------------------- */

static void time_member(struct sense_json *json, const char *key, uint64_t us)
{
	char text[32];
	sense_json_member(json, key, us ? time_text(us, text) : NULL);
}

static void problems_json(struct sense_json *json, const struct sense_attempt *last, unsigned most)
{
	const char *text = last->text.data;
	sense_json_key(json, "problems");
	sense_json_open(json, '[');
	for (unsigned i = 0; i < last->problems_kept && i < most; i++, text += strlen(text) + 1)
		sense_json_string(json, text);
	sense_json_close(json, ']');
}

static void attempt_json(struct sense_json *json, const struct sense_attempt *last, unsigned most)
{
	sense_json_key(json, "reload");
	sense_json_open(json, '{');
	sense_json_member_uint(json, "attempt", last->ticket);
	sense_json_member(json, "result", sense_attempt_name(last->result));
	time_member(json, "time", last->at_us);
	sense_json_member(json, "hash", *last->hash ? last->hash : NULL);
	sense_json_member_uint(json, "problem_count", last->problems);
	problems_json(json, last, most);
	sense_json_close(json, '}');
}

static void generation_json(struct sense_json *json, const struct sense_supervisor_view *view)
{
	const struct sense_generation *now = &view->generations->now;
	unsigned failing, quarantined;
	rules_sum(view->crew, &failing, &quarantined);
	sense_json_member_uint(json, "generation", now->number);
	sense_json_member(json, "hash", now->number ? now->hash : NULL);
	time_member(json, "loaded", now->loaded_us);
	sense_json_member_number(json, "load_ms", (double)now->took_us / 1000);
	time_member(json, "last_good", now->saved_us);
	sense_json_member_uint(json, "files", now->files);
	sense_json_member_uint(json, "rules", now->rules);
	sense_json_member_uint(json, "params", now->params);
	sense_json_member_uint(json, "rules_failing", failing);
	sense_json_member_uint(json, "rules_quarantined", quarantined);
}

static void workers_json(struct sense_json *json, const struct sense_supervisor_view *view)
{
	const struct sense_generations *all = view->generations;
	sense_json_key(json, "workers");
	sense_json_open(json, '[');
	for (unsigned i = 0; i < view->crew->count; i++) {
		sense_json_open(json, '{');
		sense_json_member_uint(json, "pid", (uint64_t)view->worker[i].pid);
		sense_json_member_uint(json, "restarts", view->worker[i].restarts);
		sense_json_member_uint(json, "packets",
		                       sense_shared_count(&view->crew->member[i], SENSE_COUNT_PACKETS));
		sense_json_member_bool(json, "behind", all->has[i] != all->now.ticket);
		sense_json_close(json, '}');
	}
	sense_json_close(json, ']');
}

static void rules_json(struct sense_json *json, const struct sense_crew *crew)
{
	char id[SENSE_SHARED_RULE_ID_MAX];
	struct sense_rule_counts counts;
	sense_json_key(json, "rule");
	sense_json_open(json, '[');
	for (unsigned i = 0; i < sense_crew_rules(crew); i++) {
		sense_crew_rule_counts(crew, i, &counts);
		sense_shared_rule_id(&crew->member[0], i, id);
		sense_json_open(json, '{');
		sense_json_member(json, "id", id);
		sense_json_member_bool(json, "quarantined", sense_crew_quarantined(crew, i));
#define RULE_MEMBER(head, key, value) sense_json_member_uint(json, key, value);
		RULE_COLUMNS(RULE_MEMBER)
#undef RULE_MEMBER
		time_member(json, "last_fired", counts.last_ts);
		sense_json_close(json, '}');
	}
	sense_json_close(json, ']');
}

static void status_json(const struct sense_supervisor_view *view, const struct sense_status_live *live,
                        bool rules, struct sense_buf *out)
{
	struct sense_json json = {.out = out};
	struct disk disk;
	disk_look(view->generations, &disk);
	sense_json_open(&json, '{');
	generation_json(&json, view);
	sense_json_member_bool(&json, "disk_differs", disk.differs);
	sense_json_member(&json, "disk_hash", disk.unreadable ? NULL : disk.hash);
	sense_json_member(&json, "disk_error", disk.unreadable ? disk.err.message : NULL);
	attempt_json(&json, &view->generations->last, PROBLEMS_SHOWN);
	sense_json_member_uint(&json, "worker_pid", (uint64_t)view->worker[0].pid);
	workers_json(&json, view);
	sense_json_member_uint(&json, "restarts", view->outcome->restarts);
	sense_json_member_uint(&json, "packets", sense_crew_count(view->crew, SENSE_COUNT_PACKETS));
	sense_json_member_uint(&json, "flows", sense_crew_count(view->crew, SENSE_COUNT_FLOWS));
	sense_json_member_uint(&json, "flows_live", sense_crew_flows_live(view->crew));
	sense_json_member_uint(&json, "events", sense_crew_count(view->crew, SENSE_COUNT_EVENTS));
	sense_json_member_uint(&json, "findings", sense_crew_count(view->crew, SENSE_COUNT_FINDINGS));
	if (live)
		sense_status_live_json(live, view->crew, &json);
	if (rules)
		rules_json(&json, view->crew);
	sense_json_close(&json, '}');
	sense_buf_addc(out, '\n');
}

/* ---- text ----------------------------------------------------------------------------------------- */

static const char *plural(uint64_t count)
{
	return count == 1 ? "" : "s";
}

/* What came from files goes to a terminal: one printable line each. */
static void problems_text(const struct sense_attempt *last, unsigned most, const char *indent,
                          struct sense_buf *out)
{
	const char *text = last->text.data;
	unsigned shown = last->problems_kept < most ? last->problems_kept : most;
	for (unsigned i = 0; i < shown; i++, text++) {
		sense_buf_adds(out, indent);
		for (; *text; text++)
			sense_buf_addc(out, (unsigned char)*text < ' ' || *text == 0x7f ? '?' : *text);
		sense_buf_addc(out, '\n');
	}
	if (shown < last->problems)
		sense_buf_printf(out, "%sand %u more\n", indent, last->problems - shown);
}

static void generation_text(const struct sense_supervisor_view *view, struct sense_buf *out)
{
	char what[SENSE_GENERATION_TEXT_MAX];
	const struct sense_generation *now = &view->generations->now;
	unsigned failing, quarantined;
	char when[32];
	if (!now->number) {
		sense_buf_adds(out, "generation   none yet: the first policies are being loaded\n");
		return;
	}
	rules_sum(view->crew, &failing, &quarantined);
	unsigned behind = sense_generations_behind(view->generations);
	sense_buf_printf(out, "generation   %llu, hash %s", (ull)now->number, now->hash);
	if (behind)
		sense_buf_printf(out, "; %u of %u workers not yet", behind, view->crew->count);
	sense_buf_addc(out, '\n');
	sense_buf_printf(out, "loaded       %s, in %.1f ms\n", time_text(now->loaded_us, when),
	                 (double)now->took_us / 1000);
	if (now->saved_us)
		sense_buf_printf(out, "last good    the set of %s; the configured one has %u problem%s\n",
		                 time_text(now->saved_us, when), view->generations->last.problems,
		                 plural(view->generations->last.problems));
	sense_buf_printf(out, "policies     %s; %u failing, %u in quarantine\n",
	                 sense_generation_text(now, what), failing, quarantined);
	if (now->params)
		sense_buf_printf(out, "             %u setting%s of rules from the server\n", now->params, plural(now->params));
}

static void attempt_text(const struct sense_attempt *last, struct sense_buf *out)
{
	char when[32];
	sense_buf_printf(out, "last reload  %s, %s", time_text(last->at_us, when),
	                 sense_attempt_name(last->result));
	if (last->problems)
		sense_buf_printf(out, ": %u problem%s", last->problems, plural(last->problems));
	sense_buf_addc(out, '\n');
	problems_text(last, PROBLEMS_SHOWN, "             ", out);
}

static void rules_text(const struct sense_crew *crew, struct sense_buf *out)
{
	char id[SENSE_SHARED_RULE_ID_MAX], when[32];
	struct sense_rule_counts counts;
	sense_buf_printf(out, "\n%-32s", "RULE");
#define RULE_HEAD(head, key, value) sense_buf_printf(out, " %9s", head);
	RULE_COLUMNS(RULE_HEAD)
#undef RULE_HEAD
	sense_buf_adds(out, "  LAST FIRED\n");
	for (unsigned i = 0; i < sense_crew_rules(crew); i++) {
		sense_crew_rule_counts(crew, i, &counts);
		sense_shared_rule_id(&crew->member[0], i, id);
		sense_buf_printf(out, "%-32s", id);
#define RULE_CELL(head, key, value) sense_buf_printf(out, " %9llu", (ull)(value));
		RULE_COLUMNS(RULE_CELL)
#undef RULE_CELL
		sense_buf_printf(out, "  %s%s\n", counts.last_ts ? time_text(counts.last_ts, when) : "-",
		                 sense_crew_quarantined(crew, i) ? "  quarantined" : "");
	}
}

static void workers_text(const struct sense_supervisor_view *view, struct sense_buf *out)
{
	unsigned count = view->crew->count, restarts = view->outcome->restarts;
	sense_buf_adds(out, count > 1 ? "workers     " : "worker      ");
	for (unsigned i = 0; i < count; i++)
		sense_buf_printf(out, "%s %d", i ? "," : " pid", (int)view->worker[i].pid);
	sense_buf_printf(out, ", %u restart%s\n", restarts, plural(restarts));
}

static void status_text(const struct sense_supervisor_view *view, const struct sense_status_live *live,
                        bool rules, struct sense_buf *out)
{
	struct disk disk;
	disk_look(view->generations, &disk);
	generation_text(view, out);
	sense_buf_adds(out, "on disk      ");
	if (disk.unreadable)
		sense_buf_printf(out, "cannot be read: %s\n", disk.err.message);
	else
		sense_buf_printf(out, disk.differs ? "differs, hash %s\n" : "the same\n", disk.hash);
	attempt_text(&view->generations->last, out);
	workers_text(view, out);
	sense_buf_printf(out, "seen         %llu packets, %llu events, %llu findings\n",
	                 (ull)sense_crew_count(view->crew, SENSE_COUNT_PACKETS),
	                 (ull)sense_crew_count(view->crew, SENSE_COUNT_EVENTS),
	                 (ull)sense_crew_count(view->crew, SENSE_COUNT_FINDINGS));
	if (live)
		sense_status_live_text(live, view->crew, out);
	if (rules)
		rules_text(view->crew, out);
}

/* ---- the end of a reload -------------------------------------------------------------------------- */

static void reload_text(const struct sense_generations *all, struct sense_buf *out)
{
	char what[SENSE_GENERATION_TEXT_MAX];
	const struct sense_generation *now = &all->now;
	if (all->last.result == SENSE_ATTEMPT_LOADED) {
		sense_buf_printf(out, "generation %llu: %s, loaded in %.0f ms\n", (ull)now->number,
		                 sense_generation_text(now, what), (double)now->took_us / 1000);
		return;
	}
	problems_text(&all->last, UINT32_MAX, "", out);
	sense_buf_printf(out, "%u problem%s; generation %llu (%s) goes on\n", all->last.problems,
	                 plural(all->last.problems), (ull)now->number, sense_generation_text(now, what));
}

static void reload_json(const struct sense_supervisor_view *view, struct sense_buf *out)
{
	struct sense_json json = {.out = out};
	sense_json_open(&json, '{');
	generation_json(&json, view);
	attempt_json(&json, &view->generations->last, UINT32_MAX);
	sense_json_close(&json, '}');
	sense_buf_addc(out, '\n');
}

void sense_status_answer(const struct sense_supervisor_view *view, const struct sense_status_live *live,
                         const struct sense_control_request *request, struct sense_buf *out)
{
	bool reload = request->what == SENSE_CONTROL_RELOAD;
	bool good = !reload || view->generations->last.result == SENSE_ATTEMPT_LOADED;
	sense_buf_adds(out, good ? "ok\n" : "failed\n");
	if (reload && request->text)
		reload_text(view->generations, out);
	else if (reload)
		reload_json(view, out);
	else if (request->text)
		status_text(view, live, request->rules, out);
	else
		status_json(view, live, request->rules, out);
}

/* ---- the commands --------------------------------------------------------------------------------- */

int sense_status_ask(const struct sense_cli *cli, const char *socket)
{
	sense_error err;
	struct sense_buf answer;
	bool ok = false;
	char request[SENSE_CONTROL_LINE_MAX];
	snprintf(request, sizeof request, "%s%s%s", cli->command == SENSE_CLI_RELOAD ? "reload" : "status",
	         cli->rules ? " rules" : "", cli->json ? "" : " text");
	sense_buf_init(&answer, SENSE_CONTROL_REPLY_MAX);
	enum sense_status status =
	    sense_control_ask(*socket ? socket : SENSE_CONTROL_DEFAULT, request, &answer, &ok, &err);
	if (status) {
		fprintf(stderr, "sense-agent: %s\n", err.message);
	} else {
		const char *text = strchr(sense_buf_str(&answer), '\n') + 1;
		fputs(text, ok || cli->json ? stdout : stderr);
	}
	sense_buf_fini(&answer);
	return !status && ok ? SENSE_EXIT_OK : SENSE_EXIT_FAILED;
}
