/* Interned strings: identity, counts, growth, the bound; and the seed of their hash. */
#include "core/base/intern.h"

#include <stdlib.h>
#include <sys/wait.h>
#include <unistd.h>

#include "core/base/hash.h"
#include "t/tap.h"

enum { MANY = 20000 };

static const struct sense_str *numbered(sense_intern *table, unsigned i)
{
	char text[32];
	int n = snprintf(text, sizeof(text), "host-%u.example", i);
	return sense_intern_get(table, text, (size_t)n);
}

static void test_identity(void)
{
	sense_intern *table = sense_intern_new(0);
	size_t empty = sense_intern_held(table);
	const struct sense_str *a = sense_intern_get(table, "api.openai.com", 14);
	const struct sense_str *b = sense_intern_get(table, "api.openai.com/x", 14);
	ok(a && a == b, "equal texts have one address");
	is_num(a->refs, 2, "counted twice");
	is_num(a->len, 14, "its length");
	is_str(a->text, "api.openai.com", "terminated");
	ok(sense_intern_get(table, "a\0b", 3) != sense_intern_get(table, "a\0c", 3), "NUL is a byte like others");
	const struct sense_str *none = sense_intern_get(table, NULL, 0);
	ok(none && !none->len && none == sense_intern_get(table, "", 0), "the empty text");
	ok(sense_intern_ref(a) == a && a->refs == 3, "ref counts");
	size_t held = sense_intern_held(table);
	sense_intern_unref(table, a);
	sense_intern_unref(table, a);
	is_num(sense_intern_held(table), held, "held while a reference is left");
	sense_intern_unref(table, a);
	ok(sense_intern_held(table) < held && held > empty, "freed with the last reference");
	sense_intern_unref(table, NULL);
	sense_intern_free(table);
	sense_intern_free(NULL);
}

static void test_many(void)
{
	sense_intern *table = sense_intern_new(0);
	const struct sense_str **strs = calloc(MANY, sizeof(*strs));
	unsigned wrong = 0;
	for (unsigned i = 0; i < MANY; i++)
		strs[i] = numbered(table, i);
	for (unsigned i = 0; i < MANY; i += 2)
		sense_intern_unref(table, strs[i]);
	/* Removal must leave every probe sequence whole. */
	for (unsigned i = 1; i < MANY; i += 2)
		wrong += numbered(table, i) != strs[i] || strs[i]->refs != 2;
	is_num(wrong, 0, "after growth and removal the others are still found");
	for (unsigned i = 1; i < MANY; i += 2) {
		sense_intern_unref(table, strs[i]);
		sense_intern_unref(table, strs[i]);
	}
	size_t held = sense_intern_held(table) + 64 * sizeof(void *); /* the first index is not counted */
	ok(!(held & (held - 1)), "nothing but the index, a power of two, is held at the end");
	const struct sense_str *again = numbered(table, 7);
	is_num(again->refs, 1, "a text that was let go is new");
	sense_intern_free(table);
	free(strs);
}

static void test_bound(void)
{
	sense_intern *table = sense_intern_new(2000);
	const struct sense_str *first = numbered(table, 0);
	unsigned i = 1;
	while (i < 1000 && numbered(table, i))
		i++;
	ok(i > 10 && i < 1000, "the bound is reached");
	ok(sense_intern_held(table) <= 2000, "and kept");
	ok(numbered(table, 0) == first, "what is there is still given out");
	sense_intern_unref(table, first);
	sense_intern_unref(table, first);
	ok(numbered(table, 5000) != NULL, "room that was given back is used again");
	ok(!sense_intern_get(table, "x", SIZE_MAX), "an absurd length is refused");
	sense_intern_free(table);
}

/* The seed is chosen once a process: each case needs its own. */
static bool seed_is(const char *text, uint64_t want)
{
	int status = 0;
	fflush(stdout);
	pid_t pid = fork();
	if (!pid) {
		setenv("SENSE_HASH_SEED", text, 1);
		if (!freopen("/dev/null", "w", stderr))
			_exit(2);
		_exit(sense_hash_seed() == want ? 0 : 1);
	}
	waitpid(pid, &status, 0);
	return WIFEXITED(status) && !WEXITSTATUS(status);
}

static void test_seed(void)
{
	ok(seed_is("42", 42), "a decimal seed is taken");
	ok(seed_is("0", 0) && seed_is("18446744073709551615", UINT64_MAX), "from its least to its greatest");
	ok(!seed_is("-1", UINT64_MAX) && !seed_is("18446744073709551616", UINT64_MAX), "not beyond");
	ok(!seed_is("42x", 42) && !seed_is(" 42", 42) && !seed_is("", 0), "nor with anything else in it");
	unsetenv("SENSE_HASH_SEED");
	ok(sense_hash_seed() == sense_hash_seed(), "one seed a process");
}

int main(void)
{
	test_seed();
	test_identity();
	test_many();
	test_bound();
	return tap_done();
}
