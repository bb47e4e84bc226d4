/*
 * Findings that nobody has acknowledged yet: `sense-agent findings`, and the supervisor's end of it.
 *
 * Over the control socket (core/service/control.h):
 *
 *   findings AFTER MAX          `ok`, then a line of JSON for each: {"seq":N,"finding":{...}}, oldest first,
 *                               those whose sequence is above AFTER (0 begins), at most MAX and 256
 *   findings AFTER MAX packed   `ok`, a newline, then for each: sequence (u64, big-endian), length (u32,
 *                               big-endian), the finding as MessagePack (proto/finding.h)
 *   ack SEQUENCE                `ok` when all up to this one have been removed from the spool, for good
 *
 * Or `failed` and a sentence. The command asks the agent that runs; when none does it reads the spool itself.
 */
#ifndef SENSE_CLI_FINDINGS_H
#define SENSE_CLI_FINDINGS_H

#include "core/cli/cli.h"
#include "core/conf/agent.h"
#include "core/service/control.h"
#include "core/spool/spool.h"

/*
 * Answers a request that is about findings: for struct sense_supervisor_sink.control. False: it is about
 * something else, nothing was written. spool NULL: there is none, and the answer says so.
 */
bool sense_spool_answer(sense_spool *spool, const struct sense_control_request *request,
                        struct sense_buf *out);

/* The command; gives the exit code. What --ack acknowledges was written to stdout before, and synced. */
int sense_findings_run(const struct sense_cli *cli, const struct sense_conf *conf);

#endif
