#include "core/show/progress.h"

#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "core/base/clock.h"

#define DELAY_MS 500
#define EVERY_MS 200
#define CELLS 30

static uint64_t now_ms(void)
{
	return sense_clock_monotonic_us() / 1000;
}

void sense_progress_init(struct sense_progress *progress, bool wanted)
{
	*progress = (struct sense_progress){
	    .enabled = wanted && isatty(STDERR_FILENO),
	    .begun_ms = now_ms(),
	};
}

/* "\r[##########....................]  33 %  1.25 M packets/s", blanks behind an earlier, longer one. */
static void draw(uint64_t done, uint64_t total, double rate)
{
	char bar[CELLS + 1], share[8] = "";
	unsigned percent = total ? (unsigned)((double)done / (double)total * 100) : 0;
	unsigned filled = percent > 100 ? CELLS : percent * CELLS / 100;
	memset(bar, '.', CELLS);
	memset(bar, '#', filled);
	bar[CELLS] = '\0';
	if (total)
		snprintf(share, sizeof share, "%3u %%", percent > 100 ? 100 : percent);
	fprintf(stderr, "\r[%s] %s  %.2f M packets/s   ", bar, share, rate / 1e6);
	fflush(stderr);
}

void sense_progress_update(struct sense_progress *progress, uint64_t done, uint64_t total,
                           uint64_t packets)
{
	if (!progress->enabled)
		return;
	uint64_t now = now_ms();
	if (now - progress->begun_ms < DELAY_MS || now - progress->drawn_ms < EVERY_MS)
		return;
	progress->drawn_ms = now;
	progress->shown = true;
	draw(done, total, (double)packets * 1000 / (double)(now - progress->begun_ms));
}

void sense_progress_clear(struct sense_progress *progress)
{
	if (!progress->shown)
		return;
	progress->shown = false;
	fprintf(stderr, "\r\033[K");
	fflush(stderr);
}
