/*
 * Standard output as people and programs read it: a terminal of some width, a pipe that may be closed,
 * a disk that may be full.
 */
#ifndef SENSE_SHOW_TERMINAL_H
#define SENSE_SHOW_TERMINAL_H

#include "core/base/buf.h"
#include "core/cli/cli.h"

/* COLUMNS, else the terminal's own; 0: not a terminal, nothing has to be cut. */
unsigned sense_terminal_width(void);
/* By --color; else on a terminal that is not dumb, unless NO_COLOR is set (https://no-color.org). */
bool sense_terminal_color(enum sense_cli_color color);

/* Text on its way to standard output. All zeroes is empty. */
struct sense_output {
	struct sense_buf buf;
	const char *subsystem; /* in whose name a failure is logged */
	bool reader_gone;      /* stdout was closed from the other side: a wish, not a failure */
	bool failed;           /* it could not be written; said once */
};

/* Writes what the buffer holds and empties it. False: no more is wanted, or can be written. */
bool sense_output_flush(struct sense_output *output);
/* The same, once there is enough of it. */
bool sense_output_flush_when_full(struct sense_output *output);

#endif
