/*
 * What `sense-server run` consists of: the processes beside the workers, and what a worker is made of.
 *
 *   stores    the embedded PostgreSQL and Redis, when none is configured
 *   migrate   once: the database's schema
 *   signer    the keys of the CA
 *   renewal   of the server's own certificate
 *   jobs      what is due now and then
 *   workers   agents' calls, enrolment, health
 */
#ifndef SENSE_SERVER_SERVE_SERVE_H
#define SENSE_SERVER_SERVE_SERVE_H

#include "server/cli/run.h"

extern const struct sense_server_assembly sense_serve_assembly;

#endif
