/*
 * Signals of a program, whatever it was started with.
 */
#ifndef SENSE_BASE_SIGNALS_H
#define SENSE_BASE_SIGNALS_H

/*
 * First in main(): none is blocked, since the mask outlives execve(2) and whoever started this program may have
 * blocked what is to end it or make it read its configuration; and a write to a pipe that nobody reads is an error.
 */
void sense_signals_begin(void);

#endif
