#include "core/rules/sliding.h"

#include <math.h>
#include <string.h>

#define SLOTS (SENSE_SLIDING_PARTS + 1)
#define TRIES 64      /* against other writers of one part; then the number is lost */
#define TICKS 16384u  /* of a window, for distinct values: two windows fit their 16 bits */
#define LEVEL_MAX 16u /* a sample of 36 << 16, two million values */
#define FEW (SENSE_SLIDING_VALUES / 4)

/* Whatever is in the memory, plain loads and stores of one word each: no locked instruction. */
#define load(x) atomic_load_explicit(&(x), memory_order_relaxed)
#define store(x, value) atomic_store_explicit(&(x), (value), memory_order_relaxed)

static uint64_t apart(uint64_t a, uint64_t b)
{
	return a > b ? a - b : b - a;
}

void sense_sliding_clear(struct sense_sliding *sliding, uint64_t window, uint64_t now)
{
	store(sliding->sample, 0);
	for (unsigned i = 0; i < SLOTS; i++)
		store(sliding->parts[i], 0);
	for (unsigned i = 0; i < SENSE_SLIDING_VALUES; i++) /* their ends differ */
		store(sliding->values.hash[i], 0);
	store(sliding->window, window);
	store(sliding->newest, now);
}

bool sense_sliding_alive(const struct sense_sliding *sliding, uint64_t now)
{
	uint64_t window = load(sliding->window);
	if (window > SENSE_SLIDING_WINDOW_MAX)
		window = SENSE_SLIDING_WINDOW_MAX;
	return apart(now, load(sliding->newest)) <= window;
}

uint64_t sense_sliding_touch(struct sense_sliding *sliding, uint64_t now)
{
	uint64_t before = load(sliding->newest);
	store(sliding->newest, now);
	return before;
}

/* ---- sums ------------------------------------------------------------------------------------ */

/*
 * Made in one step, though the table holds a lock meanwhile: whoever lost that lock while it slept
 * must not undo what others have added since.
 */
static void add(_Atomic uint64_t *part, double n)
{
	uint64_t before = load(*part), after;
	for (int i = 0; i < TRIES; i++) {
		double sum;
		memcpy(&sum, &before, sizeof sum);
		sum = isfinite(sum) ? sum + n : n;
		memcpy(&after, &sum, sizeof after);
		if (atomic_compare_exchange_weak_explicit(part, &before, after, memory_order_relaxed,
		                                          memory_order_relaxed))
			return;
	}
}

static double total(const struct sense_sliding *sliding)
{
	double sum = 0;
	for (unsigned i = 0; i < SLOTS; i++) {
		uint64_t bits = load(sliding->parts[i]);
		double part;
		memcpy(&part, &bits, sizeof part);
		sum += part;
	}
	return isfinite(sum) ? sum : 0; /* numbers that are added are: it was not us */
}

double sense_sliding_sum(struct sense_sliding *sliding, uint64_t window, uint64_t now, double n)
{
	uint64_t step = (window + SENSE_SLIDING_PARTS - 1) / SENSE_SLIDING_PARTS;
	uint64_t newest = load(sliding->newest);
	uint64_t tick = now / step, last = newest / step;

	if (now < newest && newest - now > window) {
		sense_sliding_clear(sliding, window, now);
		newest = now;
	}
	for (unsigned i = 0; now > newest && i < SLOTS && tick - i > last; i++)
		store(sliding->parts[(tick - i) % SLOTS], 0);
	if (now > newest)
		store(sliding->newest, now);
	if (n != 0)
		add(&sliding->parts[tick % SLOTS], n);
	return total(sliding);
}

/* ---- distinct values ------------------------------------------------------------------------- */

struct sample {
	struct sense_sliding *sliding;
	unsigned level;  /* that the estimate is of */
	unsigned admit;  /* <= level: values of this level have been let in */
	uint16_t since;  /* this tick */
	uint16_t newest; /* tick of the newest event */
	unsigned kept;   /* values of `level` */
	unsigned free;   /* a free place; SENSE_SLIDING_VALUES: none */
};

static bool passes(uint32_t hash, unsigned level)
{
	return !(hash & ((UINT32_C(1) << level) - 1));
}

static void sample_read(struct sample *sample, struct sense_sliding *sliding, uint16_t newest)
{
	uint32_t packed = load(sliding->sample);
	unsigned level = packed & 0xff, admit = packed >> 8 & 0xff;
	sample->sliding = sliding;
	sample->level = level < LEVEL_MAX ? level : LEVEL_MAX;
	sample->admit = admit < sample->level ? admit : sample->level;
	sample->since = (uint16_t)(packed >> 16);
	sample->newest = newest;
	if ((uint16_t)(newest - sample->since) > TICKS)
		sample->level = sample->admit;
}

static void sample_write(const struct sample *sample)
{
	store(sample->sliding->sample, sample->level | sample->admit << 8 | (uint32_t)sample->since << 16);
}

/* Lets go what is too old or not admitted, counts the rest, and gives the place of the hash. */
static unsigned sweep(struct sample *sample, uint32_t hash)
{
	struct sense_sliding *sliding = sample->sliding;
	unsigned place = SENSE_SLIDING_VALUES;
	sample->kept = 0;
	sample->free = SENSE_SLIDING_VALUES;
	for (unsigned i = 0; i < SENSE_SLIDING_VALUES; i++) {
		uint32_t value = load(sliding->values.hash[i]);
		uint16_t age = (uint16_t)(sample->newest - load(sliding->values.seen[i]));
		if (value && (age > TICKS || !passes(value, sample->admit))) {
			store(sliding->values.hash[i], 0);
			value = 0;
		}
		if (!value)
			sample->free = i;
		else if (value == hash)
			place = i;
		sample->kept += value && passes(value, sample->level);
	}
	return place;
}

/* Room for a value that has none, as long as it is of a level that is admitted. */
static void make_room(struct sample *sample, uint32_t hash)
{
	while (sample->free == SENSE_SLIDING_VALUES && sample->admit < LEVEL_MAX &&
	       passes(hash, sample->admit)) {
		sample->admit++;
		if (sample->level < sample->admit)
			sample->level = sample->admit;
		sweep(sample, 0);
	}
}

static void see(struct sample *sample, uint32_t hash, unsigned place, uint16_t tick)
{
	struct sense_sliding *sliding = sample->sliding;
	if (place < SENSE_SLIDING_VALUES) {
		uint16_t age = (uint16_t)(sample->newest - load(sliding->values.seen[place]));
		if ((uint16_t)(sample->newest - tick) < age)
			store(sliding->values.seen[place], tick);
		return;
	}
	make_room(sample, hash);
	if (sample->free == SENSE_SLIDING_VALUES || !passes(hash, sample->admit))
		return;
	store(sliding->values.seen[sample->free], tick);
	store(sliding->values.hash[sample->free], hash);
	sample->kept += passes(hash, sample->level);
}

double sense_sliding_distinct(struct sense_sliding *sliding, uint64_t window, uint64_t now, uint32_t hash)
{
	struct sample sample;
	uint64_t step = (window + TICKS - 1) / TICKS;
	uint64_t newest = load(sliding->newest);

	if (apart(now, newest) > window) {
		sense_sliding_clear(sliding, window, now);
		newest = now;
	}
	newest = now > newest ? now : newest;
	sample_read(&sample, sliding, (uint16_t)(newest / step));
	unsigned place = sweep(&sample, hash);
	if (hash)
		see(&sample, hash, place, (uint16_t)(now / step));
	if (sample.kept < FEW && sample.level && sample.admit == sample.level) {
		sample.admit = 0;
		sample.since = sample.newest;
	}
	sample_write(&sample);
	store(sliding->newest, newest);
	double estimate = (double)((uint64_t)sample.kept << sample.level);
	return hash && estimate < 1 ? 1 : estimate;
}
