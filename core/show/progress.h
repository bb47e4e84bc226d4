/* A progress bar on stderr, for runs that take longer than half a second and a person at a terminal. */
#ifndef SENSE_SHOW_PROGRESS_H
#define SENSE_SHOW_PROGRESS_H

#include <stdbool.h>
#include <stdint.h>

struct sense_progress {
	bool enabled;
	bool shown;
	uint64_t begun_ms;
	uint64_t drawn_ms;
};

void sense_progress_init(struct sense_progress *progress, bool wanted);
/* total 0: not known. Draws at most five times a second. */
void sense_progress_update(struct sense_progress *progress, uint64_t done, uint64_t total,
                           uint64_t packets);
/* Removes the bar, so that other text can be written. */
void sense_progress_clear(struct sense_progress *progress);

#endif
