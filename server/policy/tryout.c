#include "server/policy/tryout.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include "core/base/buf.h"
#include "core/platform/platform.h"
#include "proto/manifest.h"
#include "server/policy/vet.h"

/* What it is sent: the length of the bundle, the bundle, and the settings up to the end. */
#define SENT_MAX (sizeof(uint64_t) + SENSE_WIRE_BUNDLE_MAX + SENSE_MANIFEST_PARAMS_MAX)

/* ---- the one that tries ------------------------------------------------------------------------------- */

static void all_receive(int from, struct sense_buf *out)
{
	char piece[65536];
	ssize_t got;
	while ((got = recv(from, piece, sizeof piece, 0)) > 0 || (got < 0 && errno == EINTR))
		sense_buf_add(out, piece, got > 0 ? (size_t)got : 0);
}

/* Named as agents name them: without .lua. */
static enum sense_status bundle_take(const uint8_t *bytes, size_t len, struct sense_policy_sources *out,
                                     sense_error *err)
{
	struct sense_wire_bundle bundle;
	struct sense_wire_bundle_file file;
	char path[SENSE_WIRE_BUNDLE_NAME_MAX + 1], name[SENSE_WIRE_BUNDLE_NAME_MAX + 1];
	const char *why;
	uint32_t count;
	enum sense_status status = SENSE_OK;
	if (!sense_wire_bundle_check(bytes, len, &count, &why))
		return sense_fail(err, SENSE_E_FORMAT, "policy", "the bundle %s", why);
	sense_wire_bundle_get(&bundle, bytes, len);
	while (!status && sense_wire_bundle_next(&bundle, &file)) {
		snprintf(path, sizeof path, "%.*s", (int)file.name.len, file.name.text);
		snprintf(name, sizeof name, "%s", path);
		char *end = strstr(name, ".lua");
		if (end && !end[4])
			*end = '\0';
		status = sense_policy_source_add(out, path, name, (const char *)file.text, file.len, err);
	}
	return status;
}

static int together(const struct sense_buf *sent)
{
	sense_error err;
	struct sense_report report;
	struct sense_policy_sources sources;
	const uint8_t *bytes = (const uint8_t *)sent->data + sizeof(uint64_t);
	uint64_t len = 0;
	unsigned rules;
	if (sent->failed || sent->len < sizeof len)
		return 1; /* whoever sends has ended, and asks nothing */
	memcpy(&len, sent->data, sizeof len);
	size_t behind = sent->len - sizeof len;
	if (len > behind)
		return 1;
	sense_report_init(&report);
	sense_policy_sources_init(&sources);
	bool good = !bundle_take(bytes, len, &sources, &err) &&
	            !sense_policy_source_params(&sources, bytes + len, behind - len, &err) &&
	            !sense_vet_policies(&sources, &rules, &report, &err);
	if (!good && report.count)
		sense_report_print(&report, stderr);
	else if (!good)
		fprintf(stderr, "%s\n", err.message);
	sense_policy_sources_fini(&sources);
	sense_report_fini(&report);
	return !good;
}

__attribute__((noreturn)) static void child_run(int from)
{
	struct sense_buf sent;
	sense_platform_end_with_parent();
	sense_buf_init(&sent, SENT_MAX);
	all_receive(from, &sent);
	_exit(together(&sent));
}

/* ---- who asks it -------------------------------------------------------------------------------------- */

enum sense_status sense_tryout_begin(struct sense_tryout *tryout, sense_error *err)
{
	int ends[2];
	*tryout = (struct sense_tryout){0};
	if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, ends))
		return sense_fail_errno(err, "policy", "cannot make a socket for the check");
	fflush(NULL); /* or both would write it */
	pid_t pid = fork();
	if (!pid) {
		close(ends[1]);
		child_run(ends[0]);
	}
	close(ends[0]);
	if (pid < 0) {
		close(ends[1]);
		return sense_fail_errno(err, "policy", "cannot fork");
	}
	*tryout = (struct sense_tryout){pid, ends[1]};
	return SENSE_OK;
}

/* One that has ended takes nothing more: its end says so. */
static void all_send(int to, const void *data, size_t len)
{
	for (const char *at = data; len;) {
		ssize_t sent = send(to, at, len, MSG_NOSIGNAL);
		if (sent < 0 && errno == EINTR)
			continue;
		if (sent < 0)
			return;
		at += sent;
		len -= (size_t)sent;
	}
}

static int ended(struct sense_tryout *tryout)
{
	int state = -1;
	close(tryout->to);
	while (waitpid(tryout->pid, &state, 0) < 0 && errno == EINTR)
		;
	*tryout = (struct sense_tryout){0};
	return state;
}

bool sense_tryout_ask(struct sense_tryout *tryout, const struct sense_pack *pack, const uint8_t *params,
                      size_t len)
{
	uint64_t size = pack->len;
	if (!tryout->pid)
		return false;
	all_send(tryout->to, &size, sizeof size);
	all_send(tryout->to, pack->bytes, pack->len);
	all_send(tryout->to, params, len);
	int state = ended(tryout);
	return WIFEXITED(state) && !WEXITSTATUS(state);
}

void sense_tryout_end(struct sense_tryout *tryout)
{
	if (tryout->pid)
		ended(tryout);
}
