/*
 * The version as a number, which policies can ask for. What `--version` prints names the exact source
 * instead, and may be a bare hash.
 */
#ifndef SENSE_BASE_VERSION_H
#define SENSE_BASE_VERSION_H

#include <stdbool.h>

const char *sense_version(void); /* "0.3.0" */
/*
 * Is this version the wanted one, or later? `wanted` is one to three numbers with dots between; what is
 * missing counts as 0. False for anything else.
 */
bool sense_version_at_least(const char *wanted);

#endif
