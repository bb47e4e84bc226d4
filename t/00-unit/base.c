/* core/base: status, nearest word, arena, buffer. */
#include <errno.h>
#include <stdlib.h>

#include "core/base/arena.h"
#include "core/base/buf.h"
#include "core/base/status.h"
#include "core/base/version.h"
#include "t/tap.h"

static void test_status(void)
{
	sense_error err;
	is_num(sense_fail(&err, SENSE_E_LIMIT, "conf", "%s is %d", "x", 3), SENSE_E_LIMIT, "fail returns its status");
	is_str(err.message, "x is 3", "and keeps the message");
	sense_fail(&err, SENSE_E_FORMAT, "conf", "file: %s", err.message);
	is_str(err.message, "file: x is 3", "a message can be wrapped in itself");
	errno = ENOENT;
	is_num(sense_fail_errno(&err, "io", "open %s", "a"), SENSE_E_NOTFOUND, "errno becomes a status");
	is_str(err.message, "open a: No such file or directory", "and a text");
	char big[3000];
	memset(big, 'y', sizeof big - 1);
	big[sizeof big - 1] = '\0';
	sense_fail(&err, SENSE_E_IO, "io", "%s", big);
	is_num(strlen(err.message), SENSE_ERROR_MESSAGE_MAX - 1, "a long message is cut");
	is_str(err.message + SENSE_ERROR_MESSAGE_MAX - 4, "...", "and says so");
	is_num(sense_fail(NULL, SENSE_E_IO, "io", "x"), SENSE_E_IO, "without an object the status remains");
	is_str(sense_status_name(SENSE_E_TRUNCATED), "truncated", "statuses have names");
}

static void test_nearest(void)
{
	const char *const words[] = {"severity", "title", "match", "throttle", NULL};
	is_str(sense_nearest("severty", words), "severity", "a letter missing");
	is_str(sense_nearest("tilte", words), "title", "two letters swapped");
	is_str(sense_nearest("throtle", words), "throttle", "a letter halved");
	is_str(sense_nearest("banana", words), NULL, "nothing near");
	char big[500];
	memset(big, 'a', sizeof big - 1);
	big[sizeof big - 1] = '\0';
	is_str(sense_nearest(big, words), NULL, "a hostile word is not near");
}

static void test_arena(void)
{
	struct sense_arena arena;
	sense_arena_init(&arena, 100000);
	unsigned char *a = sense_arena_alloc(&arena, 100), *b = sense_arena_alloc(&arena, 1);
	ok(a && b && ((uintptr_t)b & 15) == 0, "allocations are aligned");
	bool zero = true;
	for (int i = 0; i < 100; i++)
		zero = zero && !a[i];
	ok(zero, "and zeroed");
	is_str(sense_arena_strndup(&arena, "hello", 4), "hell", "strings are cut as asked");
	ok(sense_arena_alloc(&arena, 60000) != NULL, "a large block has its own room");
	ok(!sense_arena_alloc(&arena, 60000), "the limit holds");
	ok(!sense_arena_alloc(&arena, SIZE_MAX - 4), "an absurd size is refused");
	sense_arena_reset(&arena);
	ok(sense_arena_alloc(&arena, 60000) != NULL, "after a reset there is room again");
	sense_arena_fini(&arena);
	is_num(arena.held, 0, "all is given back");
}

static void test_buf(void)
{
	struct sense_buf buf;
	sense_buf_init(&buf, 16);
	is_str(sense_buf_str(&buf), "", "an empty buffer is an empty string");
	sense_buf_printf(&buf, "%d-%s", 42, "x");
	sense_buf_adds(&buf, "yz");
	is_str(sense_buf_str(&buf), "42-xyz", "parts add up");
	sense_buf_adds(&buf, "0123456789abc");
	ok(buf.failed, "what exceeds the limit fails");
	is_str(sense_buf_str(&buf), "42-xyz", "and is not written in part");
	sense_buf_clear(&buf);
	sense_buf_adds(&buf, "0123456789abcdef");
	ok(!buf.failed && buf.len == 16, "exactly the limit fits");
	sense_buf_fini(&buf);
}

/* By the numbers, not by the text: a tenth minor version comes after the second. */
static void test_version(void)
{
	unsigned major = 0, minor = 0, patch = 0;
	char text[64];
	is_num(sscanf(sense_version(), "%u.%u.%u", &major, &minor, &patch), 3, "a version is three numbers");
	ok(sense_version_at_least(sense_version()), "it is at least itself");
	snprintf(text, sizeof(text), "%u.%u", major, minor);
	ok(sense_version_at_least(text), "what is left out is 0");
	snprintf(text, sizeof(text), "%u.%u.%u", major, minor, patch + 1);
	ok(!sense_version_at_least(text), "a later patch is not there");
	snprintf(text, sizeof(text), "%u.%u", major, minor + 1);
	ok(!sense_version_at_least(text), "nor a later minor");
	snprintf(text, sizeof(text), "%u", major + 1);
	ok(!sense_version_at_least(text), "nor a later major version");
	ok(sense_version_at_least("0.0.99") && !sense_version_at_least("999.0"), "compared as numbers");
	const char *wrong[] = {"", "0.", "a", "0.1x", "0.1.2.3", "-1", " 0"};
	for (unsigned i = 0; i < sizeof(wrong) / sizeof(*wrong); i++)
		ok(!sense_version_at_least(wrong[i]), "'%s' is no version", wrong[i]);
}

int main(void)
{
	test_version();
	test_status();
	test_nearest();
	test_arena();
	test_buf();
	return tap_done();
}
