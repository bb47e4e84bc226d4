/*
 * Which certificates were revoked, for one worker: the set that its connections are checked against before
 * each message (server/net/revoked.h) is kept as the database has it.
 *
 * Loaded when it begins, again when somebody says so on the channel `sense_revoked` (NOTIFY), after each
 * reconnection, and once a minute in case nobody did. When the database is away the set stays as it was.
 * Agents whose certificate is in the set since then are hung up on.
 */
#ifndef SENSE_SERVER_PKI_REVOCATION_H
#define SENSE_SERVER_PKI_REVOCATION_H

#include "server/net/revoked.h"
#include "server/rpc/call.h"
#include "server/store/db.h"

#define SENSE_REVOKED_CHANNEL "sense_revoked"

/*
 * Revokes an agent with all its certificates ($1 agent, $2 organization, $3 why, $4 who) and says so; one row
 * when there is such an agent, NULL in it when it was revoked before.
 */
extern const struct sense_db_statement sense_revocation_revoke;

typedef struct sense_revocation sense_revocation;

struct sense_revocation_config { /* all borrowed */
	struct ev_loop *loop;
	sense_db *db;
	sense_revoked *revoked;
	sense_calls *calls; /* NULL: nobody is hung up on */
	double every;       /* seconds; 0: 60 */
};

sense_revocation *sense_revocation_new(const struct sense_revocation_config *config, sense_error *err);
/* After the database's connections, which answer what is under way when they end. */
void sense_revocation_free(sense_revocation *revocation);
/* The set was loaded once: before, nobody should be let in. */
bool sense_revocation_is_ready(const sense_revocation *revocation);

#endif
