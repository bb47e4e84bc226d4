/* The spool as the commands that find something have it: spool.dir, or below agent.dir. */
#ifndef SENSE_CLI_KEEP_H
#define SENSE_CLI_KEEP_H

#include "core/conf/conf.h"
#include "core/spool/spool.h"

/* *spool NULL: findings are not kept (spool.dir is "none"). */
enum sense_status sense_keep_open(const struct sense_conf *conf, sense_spool **spool, sense_error *err);

#endif
