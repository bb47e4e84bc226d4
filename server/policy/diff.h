/*
 * What differs between two bundles, file by file, as diff(1) says it in the unified form.
 */
#ifndef SENSE_SERVER_POLICY_DIFF_H
#define SENSE_SERVER_POLICY_DIFF_H

#include "core/base/buf.h"
#include "server/policy/pack.h"

/* Adds it to out. *count: how many files differ. */
enum sense_status sense_diff_packs(const struct sense_pack *from, const struct sense_pack *to,
                                   struct sense_buf *out, unsigned *count, sense_error *err);

#endif
