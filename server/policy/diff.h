/*
 * What differs between two bundles: file by file, and in each line by line (by the longest common
 * subsequence; of parts too large for that, all of the one is told and then all of the other).
 */
#ifndef SENSE_SERVER_POLICY_DIFF_H
#define SENSE_SERVER_POLICY_DIFF_H

#include "core/base/buf.h"
#include "server/policy/pack.h"

/* Adds "--- NAME", "+++ NAME", and lines that begin with '-' or '+' beneath "@@ line N". Returns how many
 * files differ. */
unsigned sense_diff_packs(const struct sense_pack *from, const struct sense_pack *to, struct sense_buf *out);

#endif
