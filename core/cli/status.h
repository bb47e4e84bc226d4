/*
 * What a running agent says of itself: `sense-agent status` and `reload`, both ends.
 *
 * The supervisor writes the answer, as JSON or as text for people; the command prints it as it comes.
 */
#ifndef SENSE_CLI_STATUS_H
#define SENSE_CLI_STATUS_H

#include "core/cli/cli.h"
#include "core/cli/status_live.h"
#include "core/proc/supervisor.h"

/* The supervisor's: struct sense_supervisor_sink.control. live: NULL of a replay. */
void sense_status_answer(const struct sense_supervisor_view *view, const struct sense_status_live *live,
                         const struct sense_control_request *request, struct sense_buf *out);

/* The commands: asks the agent at this socket ("": the default one), prints, gives the exit code. */
int sense_status_ask(const struct sense_cli *cli, const char *socket);

#endif
