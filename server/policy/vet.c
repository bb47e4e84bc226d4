#include "server/policy/vet.h"

#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include "core/base/clock.h"
#include "core/cli/cli.h"
#include "core/platform/platform.h"
#include "core/show/text.h"
#include "lua/station.h"
#include "lua/tools/tools.h"

#define MEMORY_BYTES (UINT64_C(1) << 30)
#define SECONDS_LEAST 10u /* of CPU time, and on top of what files may take */
#define PATIENCE 10u      /* times that, by the clock on the wall: other programs run, too */
#define TESTS_SECONDS 3600u

#define SAY_MAX (SENSE_ERROR_MESSAGE_MAX * 4)

/* ---- the child ---------------------------------------------------------------------------------------- */

static void say(int out, char kind, uint32_t number, const char *texts, size_t len)
{
	char packet[1 + sizeof number + SAY_MAX];
	packet[0] = kind;
	memcpy(packet + 1, &number, sizeof number);
	if (len)
		memcpy(packet + 1 + sizeof number, texts, len);
	while (send(out, packet, 1 + sizeof number + len, MSG_NOSIGNAL) < 0 && errno == EINTR)
		;
}

static void failure_say(int out, const sense_error *err)
{
	say(out, SENSE_VET_FAILED, 0, err->message, strlen(err->message));
}

static void problem_say(int out, const struct sense_problem *problem)
{
	const char *texts[] = {problem->file, problem->rule, problem->key, problem->message};
	char all[SAY_MAX];
	size_t len = 0;
	for (unsigned i = 0; i < sizeof texts / sizeof *texts; i++) {
		size_t room = SAY_MAX / 4 - 1, text_len = texts[i] ? strnlen(texts[i], room) : 0;
		if (text_len)
			memcpy(all + len, texts[i], text_len);
		len += text_len;
		all[len++] = '\0';
	}
	say(out, SENSE_VET_PROBLEM, problem->line > 0 ? (uint32_t)problem->line : 0, all, len);
}

/* Policies as a worker loads them: file after file, then what holds for all of them. */
static enum sense_status policies_load(struct sense_station *station,
                                       const struct sense_policy_sources *sources,
                                       struct sense_report *report, int out, sense_error *err)
{
	struct sense_policy_steps steps = {
	    .lua = station->lua, .sources = sources, .set = station->rules, .report = report};
	bool more = sources->count > 0;
	sense_policy_begin(&steps);
	while (more) {
		say(out, SENSE_VET_FILE, steps.next, NULL, 0);
		more = sense_policy_step(&steps);
	}
	enum sense_status status = sense_policy_finish(&steps, err);
	return status ? status : sense_ruleset_compile(station->rules, err);
}

static unsigned seconds_of(const struct sense_conf *conf, unsigned files)
{
	return SECONDS_LEAST +
	       (unsigned)(sense_conf_number(conf, SENSE_CONF_RULES_LOAD_LIMIT) * (files + 1) / 1000000);
}

static int by_byte(const void *a, const void *b)
{
	return *(const char *)a - *(const char *)b;
}

/* The first time that it sorts much, glibc asks the system how much memory there is: that is done before. */
static void sort_once(void)
{
	static char bytes[8192] = {1};
	qsort(bytes, sizeof bytes, 1, by_byte);
}

/* Code that no limit of the sandbox ends is ended by the kernel. */
static enum sense_status child_close(const struct sense_conf *conf, unsigned files, int out,
                                     _Atomic uint32_t *denied, sense_error *err)
{
	rlim_t seconds = seconds_of(conf, files);
	const struct rlimit limit = {seconds, seconds};
	const struct sense_platform_lockdown what = {
	    .out = out, .memory_bytes = MEMORY_BYTES, .denied = denied};
	sort_once();
	if (setrlimit(RLIMIT_CPU, &limit))
		return sense_fail_errno(err, "policy", "cannot limit the CPU time of the check");
	return sense_platform_lockdown(&what, err);
}

static void child_run(const struct sense_conf *conf, const struct sense_policy_sources *sources, int out,
                      _Atomic uint32_t *denied)
{
	sense_error err;
	struct sense_report report;
	struct sense_station station = {.conf = conf};
	sense_report_init(&report);
	sense_platform_end_with_parent();
	/* An empty state, with no policy in it: the signal of its clock is set up while that is still
	 * possible. */
	enum sense_status status = sense_station_state(&station, NULL, &err);
	if (!status)
		status = child_close(conf, sources->count, out, denied, &err);
	if (!status)
		status = policies_load(&station, sources, &report, out, &err);
	for (unsigned i = 0; i < report.count && i < SENSE_REPORT_MAX; i++)
		problem_say(out, &report.items[i]);
	if (status)
		failure_say(out, &err);
	else
		say(out, SENSE_VET_RULES, sense_ruleset_count(station.rules), NULL, 0);
	_exit(0);
}

/* ---- who listens to it -------------------------------------------------------------------------------- */

/* Texts of the child end up on a terminal. */
static void problem_take(struct sense_vet_hearing *hearing, uint32_t line, const char *texts, size_t len)
{
	char parts[4][SAY_MAX / 4];
	size_t at = 0;
	for (unsigned i = 0; i < 4; i++) {
		const char *end = at < len ? memchr(texts + at, '\0', len - at) : NULL;
		if (!end)
			return;
		sense_text_clean(texts + at, parts[i], sizeof parts[i]);
		at = (size_t)(end - texts) + 1;
	}
	const struct sense_problem problem = {.file = *parts[0] ? parts[0] : NULL,
	                                      .line = line < INT32_MAX ? (int)line : 0,
	                                      .rule = *parts[1] ? parts[1] : NULL,
	                                      .key = *parts[2] ? parts[2] : NULL,
	                                      .message = *parts[3] ? parts[3] : "is wrong"};
	sense_report_add(hearing->report, &problem);
}

void sense_vet_packet(struct sense_vet_hearing *hearing, const char *packet, size_t len)
{
	uint32_t number;
	char why[SENSE_ERROR_MESSAGE_MAX];
	const char *texts = packet + 1 + sizeof number;
	if (len < 1 + sizeof number)
		return;
	memcpy(&number, packet + 1, sizeof number);
	len -= 1 + sizeof number;
	switch (packet[0]) {
	case SENSE_VET_FILE:
		hearing->file = number < hearing->sources->count ? number : 0;
		break;
	case SENSE_VET_PROBLEM:
		problem_take(hearing, number, texts, len);
		break;
	case SENSE_VET_RULES:
		hearing->done = true;
		*hearing->rules = number <= SENSE_RULES_MAX ? number : SENSE_RULES_MAX;
		break;
	case SENSE_VET_FAILED:
		hearing->failed = true;
		snprintf(why, sizeof why, "%.*s", (int)(len < sizeof why ? len : sizeof why - 1), texts);
		sense_text_clean(why, hearing->why, sizeof hearing->why);
		break;
	default:
		break;
	}
}

/* Until the child has ended, or has said more or for longer than there can be to say. */
static void listen_to(struct sense_vet_hearing *hearing, int in, unsigned seconds)
{
	char packet[1 + sizeof(uint32_t) + SAY_MAX];
	uint64_t until = sense_clock_monotonic_us() + seconds * UINT64_C(1000000);
	unsigned most = hearing->sources->count + SENSE_REPORT_MAX + 16;
	for (unsigned i = 0; i < most && sense_clock_monotonic_us() < until;) {
		struct pollfd waiting = {.fd = in, .events = POLLIN};
		if (poll(&waiting, 1, 1000) <= 0)
			continue;
		ssize_t got = recv(in, packet, sizeof packet, 0);
		if (got < 0 && errno == EINTR)
			continue;
		if (got <= 0)
			return;
		sense_vet_packet(hearing, packet, (size_t)got);
		i++;
	}
}

static enum sense_status judge(const struct sense_vet_hearing *hearing, int state, sense_error *err)
{
	char call[32];
	if (WIFEXITED(state) && hearing->done && !hearing->failed && !hearing->report->count)
		return SENSE_OK;
	if (hearing->failed)
		return sense_fail(err, SENSE_E_CONFIG, "policy", "%s", hearing->why);
	if (hearing->report->count)
		return sense_fail(err, SENSE_E_CONFIG, "policy", "there are mistakes in the policies");
	const char *file = hearing->sources->count ? hearing->sources->items[hearing->file].file : "policies";
	if (WIFSIGNALED(state))
		return sense_fail(err, SENSE_E_CONFIG, "policy", "%s: loading it does not end, or broke: %s",
		                  file, strsignal(WTERMSIG(state)));
	if (*hearing->denied) {
		sense_platform_call_name(*hearing->denied - 1, call);
		return sense_fail(err, SENSE_E_CONFIG, "policy",
		                  "%s: loading it needs what a policy may not do: %s", file, call);
	}
	return sense_fail(err, SENSE_E_CONFIG, "policy", "%s: loading it ended the check (exit code %d)",
	                  file, WIFEXITED(state) ? WEXITSTATUS(state) : -1);
}

/* The settings of an agent that was given none. */
static enum sense_status conf_begin(struct sense_conf *conf, sense_error *err)
{
	return sense_conf_init(conf, &sense_agent_conf, err);
}

enum sense_status sense_vet_policies(const struct sense_policy_sources *sources, unsigned *rules,
                                     struct sense_report *report, sense_error *err)
{
	static struct sense_conf conf;
	int ends[2] = {-1, -1}, state = 0;
	struct sense_vet_hearing hearing = {.sources = sources, .report = report, .rules = rules};
	*rules = 0;
	enum sense_status status = conf_begin(&conf, err);
	hearing.denied =
	    mmap(NULL, sizeof *hearing.denied, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	if (!status && hearing.denied == MAP_FAILED)
		status = sense_fail_errno(err, "policy", "no memory to share with the check");
	if (!status && socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, ends))
		status = sense_fail_errno(err, "policy", "cannot make a socket for the check");
	if (status)
		goto out;
	fflush(NULL); /* or both would write it */
	pid_t pid = fork();
	if (!pid)
		child_run(&conf, sources, ends[1], hearing.denied);
	close(ends[1]);
	if (pid < 0) {
		status = sense_fail_errno(err, "policy", "cannot fork");
		goto out;
	}
	listen_to(&hearing, ends[0], PATIENCE * seconds_of(&conf, sources->count));
	kill(pid, SIGKILL); /* if it has ended, it is still ours to wait for */
	while (waitpid(pid, &state, 0) < 0 && errno == EINTR)
		;
	status = judge(&hearing, state, err);
out:
	if (ends[0] >= 0)
		close(ends[0]);
	if (hearing.denied != MAP_FAILED)
		munmap((void *)hearing.denied, sizeof *hearing.denied);
	sense_conf_fini(&conf);
	return status;
}

/* ---- tests -------------------------------------------------------------------------------------------- */

static int tests_run(const char *dir)
{
	static struct sense_conf conf;
	const int keep[] = {STDOUT_FILENO};
	const struct sense_cli cli = {.command = SENSE_CLI_TEST, .paths = &dir, .path_count = 1};
	const struct rlimit limit = {TESTS_SECONDS, TESTS_SECONDS};
	sense_error err;
	sense_platform_end_with_parent();
	if (setrlimit(RLIMIT_CPU, &limit) || conf_begin(&conf, &err) ||
	    sense_platform_lookout("sense-tests", keep, 1, &err))
		return sense_tool_fail(&err);
	return sense_tool_test(&conf, &cli);
}

bool sense_vet_tests(const char *dir, sense_error *err)
{
	int state = 0;
	fflush(NULL);
	pid_t pid = fork();
	if (!pid) {
		int code = tests_run(dir);
		fflush(NULL);
		_exit(code);
	}
	while (pid > 0 && waitpid(pid, &state, 0) < 0 && errno == EINTR)
		;
	if (pid > 0 && WIFEXITED(state) && !WEXITSTATUS(state))
		return true;
	sense_fail(err, SENSE_E_CONFIG, "policy", "%s: the tests of these policies do not pass", dir);
	return false;
}
