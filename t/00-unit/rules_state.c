#include <math.h>
#include <pthread.h>
#include <stdlib.h>

#include "core/rules/state.h"
#include "t/tap.h"

#define SECOND UINT64_C(1000000)
#define HOUR (3600 * SECOND)
#define DAY (24 * HOUR)
#define START UINT64_C(1700000000000000)

static struct sense_state state;
static uint8_t *memory;
static size_t bytes;
static uint64_t now = START;
static uint64_t policy;

static uint64_t draw(void)
{
	static uint64_t x = 88172645463325252u;
	x ^= x << 13;
	x ^= x >> 7;
	x ^= x << 17;
	return x >> 11;
}

static struct sense_state_key at(const char *key, uint64_t window)
{
	return (struct sense_state_key){policy, key, strlen(key), window, now};
}

static double sum(const char *key, uint64_t window, double n)
{
	struct sense_state_key what = at(key, window);
	return sense_state_sum(&state, &what, n);
}

static double get(const char *key, uint64_t window)
{
	struct sense_state_key what = at(key, window);
	return sense_state_get(&state, &what);
}

static double distinct(const char *key, uint64_t window, uint64_t value)
{
	struct sense_state_key what = at(key, window);
	return sense_state_distinct(&state, &what, (const char *)&value, sizeof value);
}

static bool first(const char *key, uint64_t window)
{
	struct sense_state_key what = at(key, window);
	return sense_state_first(&state, &what);
}

static uint64_t last(const char *key)
{
	struct sense_state_key what = at(key, 0);
	return sense_state_last(&state, &what);
}

static void begin(unsigned entries, unsigned percent)
{
	free(memory);
	bytes = sense_state_bytes(entries);
	size_t whole = (bytes + 63) / 64 * 64;
	memory = aligned_alloc(64, whole);
	memset(memory, 0, whole);
	now = START;
	policy = sense_state_policy("a", 1);
	sense_state_attach(&state, memory, bytes, percent, NULL);
}

static void attach(void)
{
	begin(1000, 25);
	ok(sense_state_attach(&state, memory, 64, 25, NULL) == SENSE_E_LIMIT, "too little memory is refused");
	memset(memory, 0xa5, bytes);
	is_num(sense_state_attach(&state, memory, bytes, 25, NULL), SENSE_OK, "memory of any content");
	is_num(get("k", HOUR), 0, "holds nothing at first");
	is_num(sum("k", HOUR, 5), 5, "counts");
	struct sense_state other;
	is_num(sense_state_attach(&other, memory, bytes, 25, NULL), SENSE_OK, "a new worker attaches");
	state = other;
	is_num(sum("k", HOUR, 2), 7, "and goes on where the last one stopped");
	is_num(state.entries, 0, "it took no place of its own");
}

/* ---- sums ------------------------------------------------------------------------------------ */

static void sums(void)
{
	begin(1000, 25);
	is_num(sum("k", HOUR, 1), 1, "a sum begins");
	is_num(sum("k", HOUR, 2.5) * 2, 7, "and grows");
	is_num(sum("k", HOUR, -0.5), 3, "or shrinks");
	is_num(get("k", HOUR), 3, "reading adds nothing");
	is_num(get("k", HOUR), 3, "however often");
	is_num(sum("k", 2 * HOUR, 1), 1, "another window is another sum");
	is_num(sum("l", HOUR, 1), 1, "another key too");
	now += HOUR;
	is_num(get("k", HOUR), 3, "at the window's end it is all there");
	now += HOUR / 24;
	is_num(get("k", HOUR), 0, "a 24th later nothing is");
	sum("k", HOUR, 4);
	now += 400 * DAY;
	is_num(sum("k", HOUR, 1), 1, "after a long silence nothing is left");
	now -= HOUR / 2;
	is_num(sum("k", HOUR, 1), 2, "an event that comes late counts");
	now += HOUR / 2;
	is_num(sum("k", HOUR, 1), 3, "and disturbs nothing");
	now -= HOUR + 1;
	is_num(sum("k", HOUR, 1), 1, "a leap back by more than the window begins anew");
	now = 0;
	is_num(sum("zero", HOUR, 1), 1, "a clock at its beginning");
	now = UINT64_MAX;
	is_num(sum("zero", HOUR, 1), 1, "and at its end");
}

struct seen {
	uint64_t time;
	uint64_t value;
};

#define SEEN 4000

/*
 * Against all that was added: never less than the window has, never more than 1/24 of it more has. A few
 * events come late, and are measured at the newest.
 */
static void sums_slide(uint64_t window)
{
	static struct seen seen[SEEN];
	uint64_t newest = 0;
	unsigned less = 0, more = 0, sharp = 0;
	begin(1000, 25);
	for (unsigned i = 0; i < SEEN; i++) {
		now += draw() % (draw() % 50 ? window / 40 : window);
		uint64_t on_time = now;
		if (draw() % 8 == 0)
			now -= draw() % (window / 2);
		newest = now > newest ? now : newest;
		seen[i] = (struct seen){now, draw() % 1000};
		double got = sum("k", window, (double)seen[i].value), least = 0, most = 0;
		for (unsigned j = 0; j <= i; j++) {
			least += newest - seen[j].time <= window ? (double)seen[j].value : 0;
			most +=
			    newest - seen[j].time <= window + window / 24 + 24 ? (double)seen[j].value : 0;
		}
		less += got < least;
		more += got > most;
		sharp += least < most;
		now = on_time;
	}
	is_num(less, 0, "no sum over %g s is less than the window has", (double)window / 1e6);
	is_num(more, 0, "or more than a 24th of it more has");
	ok(sharp > SEEN / 10, "which was put to the test %u times", sharp);
}

/* ---- distinct values ------------------------------------------------------------------------- */

static void distinct_exact(void)
{
	static struct seen seen[SEEN];
	unsigned wrong = 0, most = 0;
	begin(1000, 25);
	for (unsigned i = 0; i < SEEN; i++) {
		now += draw() % (HOUR / 20);
		seen[i] = (struct seen){now, draw() % 52};
		unsigned n = 0;
		for (unsigned v = 0; v < 52; v++)
			for (unsigned j = i + 1; j-- > 0 && now - seen[j].time <= HOUR;)
				if (seen[j].value == v) {
					n++;
					break;
				}
		most = n > most ? n : most;
		double got = distinct("k", HOUR, seen[i].value);
		/* An edge that is as near as the clock of values is coarse may fall on either side. */
		wrong += got != n;
	}
	ok(wrong <= SEEN / 500, "up to 36 values the answer is exact (%u of %u differ, at the edge)", wrong,
	   SEEN);
	ok(most > 30 && most <= 36, "with up to %u at one time", most);
	is_num(distinct("other", HOUR, 1), 1, "another key has its own");
	is_num(get("other", HOUR), 1, "and can be read");
	is_num(sum("other", HOUR, 9), 9, "a sum of that key is something else");
	is_num(get("other", HOUR), 9, "which is read first");
	now += 2 * HOUR;
	is_num(get("other", HOUR), 0, "all of them pass");
	distinct("other", HOUR, 1);
	now -= HOUR / 2;
	is_num(distinct("other", HOUR, 2), 2, "a value that comes late counts");
	now -= HOUR;
	is_num(distinct("other", HOUR, 3), 1, "a leap back begins anew");
}

/* Root of the mean square of (got - n) / n over many keys. */
static double error_at(unsigned n, double *mean)
{
	double squares = 0, all = 0;
	const unsigned keys = 60;
	begin(1000, 25);
	for (unsigned k = 0; k < keys; k++) {
		char key[16];
		double got = 0;
		snprintf(key, sizeof key, "k%u", k);
		for (unsigned i = 0; i < n; i++)
			got = distinct(key, HOUR, (uint64_t)k << 32 | i);
		squares += (got / n - 1) * (got / n - 1);
		all += got / n;
	}
	*mean = all / keys;
	return sqrt(squares / keys);
}

static void distinct_estimated(void)
{
	const unsigned sizes[] = {36, 37, 60, 200, 1000, 20000};
	for (unsigned i = 0; i < sizeof sizes / sizeof *sizes; i++) {
		double mean, error = error_at(sizes[i], &mean);
		ok(error < (sizes[i] <= 36 ? 1e-9 : 0.27), "%u values: standard error %.1f %%", sizes[i],
		   error * 100);
		ok(fabs(mean - 1) < 0.1, "and no more to one side than chance is: %.3f", mean);
	}
}

/* A crowd comes and goes: what stays is counted exactly again. */
static void distinct_recovers(void)
{
	unsigned wrong = 0, steps = 0;
	double least = 1e9, most = 0;
	begin(1000, 25);
	for (unsigned i = 0; i < 20000; i++) {
		now += HOUR / 10000;
		distinct("k", HOUR, i);
	}
	ok(get("k", HOUR) > 5000, "a crowd of 10,000 at one time is seen: %.0f", get("k", HOUR));
	for (unsigned i = 0; i < 400; i++) {
		now += HOUR / 100;
		double got = distinct("k", HOUR, i % 5);
		wrong += now > START + 5 * HOUR && got != 5;
	}
	is_num(wrong, 0, "a while after it, five are five");
	/* From 10 to 200 and back: the estimate follows within its error at all times. */
	for (unsigned i = 0; i < 60000; i++) {
		unsigned width = i / 10000 % 2 ? 10 : 200;
		now += HOUR / 2000;
		double got = distinct("k", HOUR, 1000 + draw() % width);
		if (i % 10000 < 5000)
			continue;
		steps++;
		wrong += got < width * 0.3 || got > width * 1.9;
		least = got < least ? got : least;
		most = got > most ? got : most;
	}
	is_num(wrong, 0, "%u answers about 10 and 200 in turn, from %.0f to %.0f", steps, least, most);
}

/* ---- sightings ------------------------------------------------------------------------------- */

static void sightings(void)
{
	begin(1000, 25);
	ok(first("h", DAY), "a key is new");
	ok(!first("h", DAY), "once");
	ok(first("h", HOUR), "for each window");
	now += DAY;
	ok(!first("h", DAY), "not new within the window");
	now += DAY;
	ok(!first("h", DAY), "which begins with the latest sight");
	now += DAY + 1;
	ok(first("h", DAY), "new again when it was not seen for longer");
	now -= 2 * DAY;
	ok(first("h", DAY), "and when the clock leaps back");
	is_num(last("h"), 0, "last: never before");
	uint64_t before = now;
	now += 5 * SECOND;
	is_num(last("h"), before, "last: the call before");
	is_num(last("h"), now, "which notes its time");
	now += 31 * DAY;
	is_num(last("h"), 0, "and is forgotten after 30 days");
}

/* ---- room ------------------------------------------------------------------------------------ */

static void others(void)
{
	begin(1000, 25);
	sum("k", HOUR, 5);
	policy = sense_state_policy("b", 1);
	is_num(get("k", HOUR), 0, "another policy sees nothing of it");
	is_num(sum("k", HOUR, 1), 1, "and counts by itself");
	policy = sense_state_policy("a", 1);
	is_num(get("k", HOUR), 5, "the first has what it had");
	begin(16384, 25);
	unsigned alone = 0;
	for (unsigned i = 0; i < 1000; i++) {
		char name[16];
		policy = sense_state_policy(name, (size_t)snprintf(name, sizeof name, "p%u", i));
		alone += sum("k", HOUR, 1) == 1;
	}
	ok(alone == 1000 && !state.evicted, "so do a thousand, with room for each");
}

static unsigned kept(char name, unsigned n)
{
	unsigned found = 0;
	char key[16];
	policy = sense_state_policy(&name, 1);
	for (unsigned i = 0; i < n; i++) {
		snprintf(key, sizeof key, "%u", i);
		found += get(key, HOUR) > 0;
	}
	return found;
}

static void fill(char name, unsigned n)
{
	char key[16];
	policy = sense_state_policy(&name, 1);
	for (unsigned i = 0; i < n; i++) {
		snprintf(key, sizeof key, "%u", i);
		now++;
		sum(key, HOUR, 1);
	}
}

/* One bucket of 16, of which a policy may hold 4. */
static void shares(void)
{
	begin(16, 25);
	fill('a', 16);
	is_num(kept('a', 16), 16, "room that nobody wants may be used");
	is_num(state.entries, 16, "places taken are counted");
	is_num(state.evicted, 0, "nothing had to go");
	fill('b', 10);
	is_num(kept('b', 10), 4, "of another policy, four of ten find room");
	is_num(kept('a', 16), 12, "at the cost of who held more than its share");
	is_num(state.evicted, 10, "all that had to go is counted");
	fill('a', 100);
	is_num(kept('b', 10), 4, "a flood of keys takes nothing of it");
	fill('c', 100);
	fill('d', 100);
	ok(kept('b', 10) == 4 && kept('c', 100) == 4 && kept('d', 100) == 4 && kept('a', 100) == 4,
	   "four policies hold four each");
	policy = sense_state_policy("d", 1);
	is_num(get("99", HOUR), 1, "the latest stay");
	fill('e', 1);
	is_num(kept('e', 1), 1, "a fifth finds room too");
	begin(16, 25);
	fill('b', 4);
	fill('a', 12);
	fill('c', 4);
	ok(kept('b', 4) == 4 && kept('a', 12) == 8, "room is made by who has too much, not by who is oldest");
	fill('e', 16);
	uint64_t evicted = state.evicted;
	now += 2 * HOUR;
	fill('e', 16);
	is_num(state.evicted, evicted, "counters whose window has passed go first, uncounted");
	is_num(kept('e', 16), 16, "all of them");
}

/* ---- memory that others write to ------------------------------------------------------------- */

static bool sane(double n)
{
	return isfinite(n);
}

static unsigned ask_all(unsigned keys)
{
	unsigned bad = 0;
	for (unsigned i = 0; i < keys; i++) {
		char key[16];
		snprintf(key, sizeof key, "%u", i);
		now += draw() % HOUR;
		bad += !sane(sum(key, HOUR, 1)) + !sane(distinct(key, HOUR, draw())) + !sane(get(key, HOUR));
		first(key, DAY);
		last(key);
	}
	return bad;
}

static void garbage(void)
{
	unsigned bad = 0;
	begin(256, 25);
	for (unsigned round = 0; round < 40; round++) {
		ask_all(30);
		/* All of it, or a byte here and there: then keys are found, and garbage behind them. */
		for (size_t i = 64; i < bytes; i += round % 2 ? 1 : 1 + draw() % 40)
			memory[i] = (uint8_t)(draw() % 3 ? draw() : 0xff);
		bad += ask_all(30);
	}
	is_num(bad, 0, "garbage in the table gives numbers, wrong ones at worst");
	memory[0]++;
	is_num(sense_state_attach(&state, memory, bytes, 25, NULL), SENSE_OK, "what is no table");
	is_num(get("1", HOUR), 0, "is cleared by the next worker");
}

/* Each word in turn as a dead or hostile worker may have left it: one of them is a lock that is held. */
static void words(void)
{
	const uint32_t left[] = {1, 0xffffffff, 0x80000001, 0x7ff00000};
	unsigned bad = 0;
	begin(16, 25);
	ask_all(3);
	for (size_t i = 64; i + 4 <= bytes; i += 4)
		for (unsigned j = 0; j < 4; j++) {
			memcpy(memory + i, &left[j], 4);
			bad += ask_all(3);
		}
	is_num(bad, 0, "no word of it stops a call for ever");
	begin(16, 25);
	sum("k", HOUR, 1);
	for (size_t i = 64 + 128; i < 64 + 256; i += 4)
		memcpy(memory + i, left, 4); /* behind the keys: the lock, and room */
	is_num(sum("k", HOUR, 1), 2, "a lock that was left behind is taken over, and nothing is lost");
	is_num(sum("k", HOUR, 1), 3, "for good");
}

/* ---- workers side by side -------------------------------------------------------------------- */

#define TURNS 40000

static void *worker(void *arg)
{
	struct sense_state mine;
	uintptr_t number = (uintptr_t)arg;
	double bad = 0;
	sense_state_attach(&mine, memory, bytes, 25, NULL);
	struct sense_state_key one = {sense_state_policy("a", 1), "sum", 3, HOUR, START};
	struct sense_state_key two = {sense_state_policy("a", 1), "set", 3, HOUR, START};
	for (unsigned i = 0; i < TURNS; i++) {
		uint64_t value = number * 10 + i % 10;
		char key[16];
		sense_state_sum(&mine, &one, 1);
		sense_state_distinct(&mine, &two, (const char *)&value, sizeof value);
		/* And keys that come and go, while time moves. */
		struct sense_state_key more = {sense_state_policy("b", 1), key,
		                               (size_t)snprintf(key, sizeof key, "%u", i % 100), HOUR,
		                               START + i * (HOUR / TURNS / 2)};
		/* 0 is possible: another may make room of it before it is added up, and no harm done. */
		bad += !isfinite(sense_state_sum(&mine, &more, 1));
	}
	return (void *)(uintptr_t)bad;
}

static void together(void)
{
	pthread_t threads[2];
	void *bad[2];
	begin(64, 25);
	sum("sum", HOUR, 0);
	distinct("set", HOUR, 0);
	for (uintptr_t i = 0; i < 2; i++)
		pthread_create(&threads[i], NULL, worker, (void *)i);
	for (unsigned i = 0; i < 2; i++)
		pthread_join(threads[i], &bad[i]);
	ok(!bad[0] && !bad[1], "two workers at the same counters");
	is_num(get("sum", HOUR), 2 * TURNS, "no addition is lost");
	is_num(get("set", HOUR), 20, "and no value");
}

int main(void)
{
	setenv("SENSE_HASH_SEED", "42", 1); /* estimates by chance are the same each time */
	attach();
	sums();
	sums_slide(10 * SECOND);
	sums_slide(HOUR);
	sums_slide(30 * DAY);
	distinct_exact();
	distinct_estimated();
	distinct_recovers();
	sightings();
	others();
	shares();
	garbage();
	words();
	together();
	free(memory);
	return tap_done();
}
