#include "server/policy/diff.h"

#include <errno.h>
#include <fcntl.h>
#include <spawn.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

#include "core/base/file.h"

/* Of Debian's package diffutils, which every system has. */
#define DIFF "/usr/bin/diff"

/* One of both files, in memory. */
struct side {
	int fd;
	char label[SENSE_WIRE_BUNDLE_NAME_MAX + 3], path[32];
};

static const struct sense_wire_bundle_file nothing = {{"", 0}, NULL, 0};

static enum sense_status side_make(struct side *side, char letter, const struct sense_wire_bundle_file *file,
                                   sense_error *err)
{
	if (file->name.len)
		snprintf(side->label, sizeof side->label, "%c/%.*s", letter, (int)file->name.len,
		         file->name.text);
	else
		snprintf(side->label, sizeof side->label, "/dev/null");
	side->fd = memfd_create("policy", MFD_CLOEXEC);
	if (side->fd < 0 || !sense_file_write_all(side->fd, file->text, file->len))
		return sense_fail_errno(err, "policy", "cannot keep %s in memory", side->label);
	snprintf(side->path, sizeof side->path, "/dev/fd/%d", side->fd);
	return SENSE_OK;
}

/* Its end of the pipe alone, and both files under the numbers that they have here. */
static int start(const struct side *a, const struct side *b, int to, pid_t *pid)
{
	const char *const argv[] = {"diff",    "--unified", "--text", "--label", a->label,
	                            "--label", b->label,    a->path,  b->path,   NULL};
	const char *const env[] = {"LC_ALL=C.UTF-8", NULL};
	posix_spawn_file_actions_t actions;
	int code = posix_spawn_file_actions_init(&actions);
	if (code)
		return code;
	posix_spawn_file_actions_adddup2(&actions, a->fd, a->fd);
	posix_spawn_file_actions_adddup2(&actions, b->fd, b->fd);
	posix_spawn_file_actions_adddup2(&actions, to, STDOUT_FILENO);
	code = posix_spawn(pid, DIFF, &actions, NULL, (char *const *)argv, (char *const *)env);
	posix_spawn_file_actions_destroy(&actions);
	return code;
}

static bool output_take(int from, struct sense_buf *out)
{
	char piece[16384];
	ssize_t got;
	while ((got = read(from, piece, sizeof piece)) > 0 || (got < 0 && errno == EINTR))
		sense_buf_add(out, piece, got > 0 ? (size_t)got : 0);
	return !got;
}

static enum sense_status sides_tell(const struct side *a, const struct side *b, struct sense_buf *out,
                                    sense_error *err)
{
	int ends[2], state = -1;
	pid_t pid = -1;
	if (pipe2(ends, O_CLOEXEC))
		return sense_fail_errno(err, "policy", "cannot make a pipe");
	int code = start(a, b, ends[1], &pid);
	close(ends[1]);
	bool whole = !code && output_take(ends[0], out);
	close(ends[0]);
	if (code) {
		errno = code;
		return sense_fail_errno(err, "policy", "cannot run " DIFF);
	}
	while (waitpid(pid, &state, 0) < 0 && errno == EINTR)
		;
	/* 1: they differ. */
	if (!whole || !WIFEXITED(state) || WEXITSTATUS(state) > 1)
		return sense_fail(err, SENSE_E_INTERNAL, "policy", DIFF " failed on %s", a->label);
	return SENSE_OK;
}

static enum sense_status files_tell(const struct sense_wire_bundle_file *a,
                                    const struct sense_wire_bundle_file *b, struct sense_buf *out,
                                    sense_error *err)
{
	struct side one = {.fd = -1}, other = {.fd = -1};
	enum sense_status status = side_make(&one, 'a', a, err);
	if (!status)
		status = side_make(&other, 'b', b, err);
	if (!status)
		status = sides_tell(&one, &other, out, err);
	if (one.fd >= 0)
		close(one.fd);
	if (other.fd >= 0)
		close(other.fd);
	return status;
}

static int order_of(const struct sense_wire_bundle_file *a, const struct sense_wire_bundle_file *b)
{
	size_t least = a->name.len < b->name.len ? a->name.len : b->name.len;
	int order = memcmp(a->name.text, b->name.text, least);
	return order ? order : (a->name.len > b->name.len) - (a->name.len < b->name.len);
}

enum sense_status sense_diff_packs(const struct sense_pack *from, const struct sense_pack *to,
                                   struct sense_buf *out, unsigned *count, sense_error *err)
{
	struct sense_wire_bundle one, other;
	struct sense_wire_bundle_file a, b;
	enum sense_status status = SENSE_OK;
	*count = 0;
	sense_wire_bundle_get(&one, from->bytes, from->len);
	sense_wire_bundle_get(&other, to->bytes, to->len);
	bool has_a = sense_wire_bundle_next(&one, &a), has_b = sense_wire_bundle_next(&other, &b);
	while (!status && (has_a || has_b)) {
		int order = !has_a ? 1 : !has_b ? -1 : order_of(&a, &b);
		if (order || a.len != b.len || memcmp(a.text, b.text, a.len)) {
			status = files_tell(order > 0 ? &nothing : &a, order < 0 ? &nothing : &b, out, err);
			++*count;
		}
		if (order <= 0)
			has_a = sense_wire_bundle_next(&one, &a);
		if (order >= 0)
			has_b = sense_wire_bundle_next(&other, &b);
	}
	return status;
}
