/* The pacer, by clocks that are made up: what share work gets, over every window and under every load. */
#include "core/service/pace.h"

#include <stdlib.h>

#include "t/tap.h"

#define MS 1000000ull
#define S 1000000000ull
#define PIECES 4000u

/* One run: when each piece began and ended, and what it took. */
static struct {
	uint64_t begin, end, took;
} pieces[PIECES];

static uint64_t random_state = 88172645463325252u;

static uint64_t random_below(uint64_t limit)
{
	random_state ^= random_state << 13;
	random_state ^= random_state >> 7;
	random_state ^= random_state << 17;
	return random_state % limit;
}

/* Pieces of up to piece_max of CPU time, on a machine that lets them wait as long again; sleeps as told. */
static struct sense_pace work(unsigned percent, uint64_t burst, uint64_t piece_max)
{
	struct sense_pace pace;
	uint64_t wall = 5 * S, cpu = 3 * S;
	sense_pace_init(&pace, percent, burst, wall);
	for (unsigned i = 0; i < PIECES; i++) {
		uint64_t took = random_below(piece_max);
		pieces[i].begin = wall;
		sense_pace_begin(&pace, cpu);
		cpu += took;
		wall += took + random_below(took + 1);
		pieces[i].end = wall;
		pieces[i].took = took;
		wall += sense_pace_end(&pace, wall, cpu);
	}
	return pace;
}

/* The worst excess over share * t + burst + one piece, over all windows of whole pieces. */
static double excess(unsigned percent, uint64_t burst, uint64_t piece_max)
{
	double worst = -1e18, share = percent / 100.0;
	for (unsigned i = 0; i < PIECES; i++) {
		double took = 0;
		for (unsigned j = i; j < PIECES; j++) {
			took += (double)pieces[j].took;
			double allowed = share * (double)(pieces[j].end - pieces[i].begin) + (double)burst;
			if (took - allowed - (double)piece_max > worst)
				worst = took - allowed - (double)piece_max;
		}
	}
	return worst;
}

static void share_is_kept(void)
{
	static const struct {
		unsigned percent;
		uint64_t burst, piece;
	} cases[] = {{3, 50 * MS, 5 * MS},
	             {1, 0, 2 * MS},
	             {50, 10 * MS, 20 * MS},
	             {3, 50 * MS, 900 * MS},
	             {99, 1, 100}};
	for (unsigned i = 0; i < sizeof cases / sizeof *cases; i++) {
		struct sense_pace pace = work(cases[i].percent, cases[i].burst, cases[i].piece);
		double passed = (double)(pieces[PIECES - 1].end - pieces[0].begin);
		double got = 100.0 * (double)pace.spent_ns / passed;
		ok(excess(cases[i].percent, cases[i].burst, cases[i].piece) < 1e4,
		   "%u %%, pieces of %g ms: over no window more than the share, a burst and a piece",
		   cases[i].percent, (double)cases[i].piece / 1e6);
		/* At 99 % what a busy machine takes leaves less. */
		ok(got > cases[i].percent * 0.9 || cases[i].percent > 60, "and the share is used: %.2f %%",
		   got);
		is_num(pace.forgiven_ns, 0, "nothing is forgiven");
	}
}

static void bursts(void)
{
	struct sense_pace pace;
	sense_pace_init(&pace, 10, 20 * MS, 0);
	sense_pace_begin(&pace, 0);
	is_num(sense_pace_end(&pace, 0, 20 * MS), 0, "a full bucket is a burst without a sleep");
	sense_pace_begin(&pace, 20 * MS);
	is_num(sense_pace_end(&pace, 0, 21 * MS), 10 * MS, "1 ms more at a tenth is 10 ms of sleep");
	is_num(sense_pace_wait(&pace, 4 * MS), 6 * MS, "woken early: what is left of it");
	is_num(sense_pace_wait(&pace, 10 * MS), 0, "slept enough");
	is_num(sense_pace_wait(&pace, 3600 * S), 0, "an hour of idling");
	sense_pace_begin(&pace, 21 * MS);
	is_num(sense_pace_end(&pace, 3600 * S, 51 * MS), 100 * MS, "saves up no more than one burst");
	uint64_t wall = 7200 * S;
	is_num(sense_pace_wait(&pace, wall), 0, "again full");
	for (unsigned i = 0; i < 1000; i++)
		sense_pace_wait(&pace, wall += 7); /* less than a nanosecond of credit */
	sense_pace_begin(&pace, 0);
	is_num(sense_pace_end(&pace, wall, 20 * MS + 700), 7000, "at the brim nothing is added");
	for (unsigned i = 0; i < 999; i++)
		sense_pace_wait(&pace, wall += 7);
	is_num(sense_pace_wait(&pace, wall += 7), 0, "asking often loses nothing");
}

static void odd_clocks(void)
{
	struct sense_pace pace;
	sense_pace_init(&pace, 3, 0, 100 * S);
	sense_pace_begin(&pace, 5 * S);
	is_num(sense_pace_end(&pace, 100 * S, 4 * S), 0, "CPU time that goes back is none");
	is_num(pace.spent_ns, 0, "and not counted");
	sense_pace_begin(&pace, 4 * S);
	is_num(sense_pace_end(&pace, 50 * S, 4 * S + 3 * MS), 100 * MS,
	       "a clock that goes back fills nothing");
	is_num(sense_pace_wait(&pace, 50 * S + 100 * MS), 0, "and goes on from there");
	sense_pace_begin(&pace, 0);
	is_num(sense_pace_end(&pace, 51 * S, 3600 * S), SENSE_PACE_SLEEP_MAX_NS, "an hour of work at once");
	ok(pace.forgiven_ns > 3500 * S, "is forgiven but for what 60 s pay for, and counted");
	sense_pace_begin(&pace, 0);
	is_num(sense_pace_end(&pace, 51 * S, UINT64_MAX), SENSE_PACE_SLEEP_MAX_NS,
	       "the largest number there is");
	is_num(sense_pace_wait(&pace, UINT64_MAX), 0, "and at the end of time it is paid");
	sense_pace_init(&pace, 0, UINT64_MAX, 0);
	ok(pace.percent == 1 && pace.burst_ns == S, "no share at all is one percent; a burst is a second");
	sense_pace_init(&pace, 1000, 0, 0);
	is_num(pace.percent, 100, "more than all is all");
}

/* Real clocks, without asserting a time: the thread's own moves when it works. */
static void real_clocks(void)
{
	uint64_t cpu = sense_pace_cpu(), wall = sense_pace_wall();
	volatile unsigned n = 0;
	while (sense_pace_cpu() - cpu < MS)
		n++;
	ok(n && sense_pace_wall() - wall >= MS / 2, "the clocks run");
}

int main(void)
{
	share_is_kept();
	bursts();
	odd_clocks();
	real_clocks();
	return tap_done();
}
