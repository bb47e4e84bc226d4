/*
 * The process that looks up names for the uplink, which can read no files: as little privileged, but that it may read
 * what everybody may (/etc/hosts, /etc/resolv.conf). It is a child of the uplink's process and ends with it.
 */
#ifndef SENSE_LINK_NAMES_H
#define SENSE_LINK_NAMES_H

#include "core/base/status.h"

/*
 * Starts it. *fd: the socket for questions (sense_uplink_want.names), which becomes readable, too, when it has ended.
 * The calling process must have one thread.
 */
enum sense_status sense_names_start(int *fd, sense_error *err);

#endif
