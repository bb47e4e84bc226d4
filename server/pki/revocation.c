#include "server/pki/revocation.h"

#include <ev.h>
#include <stdlib.h>

#include "core/base/log.h"

#define EVERY_S 60.0

struct sense_revocation {
	struct sense_revocation_config config;
	ev_timer timer;
	bool ready;
	bool loading, again; /* again: something has changed since it was asked */
};

const struct sense_db_statement sense_revocation_revoke = {
    "revoke_agent",
    "WITH "
    "a AS (SELECT id, org_id, revoked_at FROM sense.agents "
    "WHERE id = $1 AND org_id = $2 FOR UPDATE), "
    "r AS (UPDATE sense.agents SET revoked_at = now(), revoked_why = $3::text "
    "FROM a WHERE agents.id = a.id AND a.revoked_at IS NULL RETURNING agents.id, agents.org_id), "
    "c AS (UPDATE sense.agent_certificates SET revoked_at = now() FROM r "
    "WHERE agent_id = r.id AND agent_certificates.revoked_at IS NULL), "
    "l AS (INSERT INTO sense.audit_log (org_id, actor, action, target, details) "
    "SELECT org_id, $4::text, 'agent.revoke', id::text, jsonb_build_object('why', $3::text) "
    "FROM r), "
    "n AS (SELECT pg_notify('" SENSE_REVOKED_CHANNEL
    "', id::text) FROM r) "
    "SELECT (SELECT r.id FROM r), (SELECT count(*) FROM n) FROM a"};

/*
 * All that are still good by their time. What an agent that was revoked has in hand counts as well: a
 * certificate that was being made meanwhile.
 */
static const struct sense_db_statement load_sql = {
    "revocation_load",
    "SELECT c.serial, c.agent_id FROM sense.agent_certificates c "
    "JOIN sense.agents a ON a.id = c.agent_id "
    "WHERE c.not_after > now() AND (c.revoked_at IS NOT NULL OR a.revoked_at IS NOT NULL)"};

static void load(sense_revocation *revocation);

/* Whoever was not in the set before is hung up on, whichever certificate they came with. */
static void take(sense_revocation *revocation, const struct sense_db_result *result)
{
	uint8_t serial[SENSE_SERIAL_MAX];
	const struct sense_revocation_config *config = &revocation->config;
	for (unsigned i = 0; i < result->rows; i++) {
		const char *agent = sense_db_value(result, i, 1);
		size_t len = sense_db_bytes(result, i, 0, serial, sizeof serial);
		if (!config->calls || len > sizeof serial || sense_revoked_has(config->revoked, serial, len))
			continue;
		unsigned ended = sense_call_hang_up(config->calls, agent);
		if (ended)
			sense_log(SENSE_LOG_INFO, "pki",
			          "agent %s: its certificate was revoked, %u connections ended", agent,
			          ended);
	}
	sense_revoked_clear(config->revoked);
	for (unsigned i = 0; i < result->rows; i++) {
		size_t len = sense_db_bytes(result, i, 0, serial, sizeof serial);
		if (len > sizeof serial || !sense_revoked_add(config->revoked, serial, len))
			sense_log(SENSE_LOG_ERROR, "pki", "no memory for a revoked certificate");
	}
}

static void on_loaded(void *self, const struct sense_db_result *result)
{
	sense_revocation *revocation = self;
	revocation->loading = false;
	if (result->outcome == SENSE_DB_DONE) {
		take(revocation, result);
		revocation->ready = true;
	} else if (result->outcome == SENSE_DB_REFUSED) {
		sense_log(SENSE_LOG_ERROR, "pki", "revoked certificates: the database refuses: %s %s",
		          result->sqlstate, result->message);
	}
	if (revocation->again && result->outcome == SENSE_DB_DONE)
		load(revocation);
}

static void load(sense_revocation *revocation)
{
	if (revocation->loading) {
		revocation->again = true;
		return;
	}
	revocation->again = false;
	revocation->loading =
	    sense_db_ask(revocation->config.db, NULL, &load_sql, NULL, 0, on_loaded, revocation);
}

static void on_heard(void *self, const char *channel, const char *payload)
{
	(void)channel;
	(void)payload;
	load(self);
}

static void on_timer(struct ev_loop *loop, ev_timer *timer, int events)
{
	(void)loop;
	(void)events;
	load(timer->data);
}

sense_revocation *sense_revocation_new(const struct sense_revocation_config *config, sense_error *err)
{
	sense_revocation *revocation = calloc(1, sizeof *revocation);
	if (!revocation) {
		sense_fail(err, SENSE_E_MEMORY, "pki", "no memory for revoked certificates");
		return NULL;
	}
	revocation->config = *config;
	if (!sense_db_listen(config->db, SENSE_REVOKED_CHANNEL, on_heard, revocation)) {
		sense_fail(err, SENSE_E_LIMIT, "pki", "too many channels are listened on");
		free(revocation);
		return NULL;
	}
	double every = config->every > 0 ? config->every : EVERY_S;
	ev_timer_init(&revocation->timer, on_timer, every, every);
	revocation->timer.data = revocation;
	ev_timer_start(config->loop, &revocation->timer);
	load(revocation);
	return revocation;
}

void sense_revocation_free(sense_revocation *revocation)
{
	if (revocation)
		ev_timer_stop(revocation->config.loop, &revocation->timer);
	free(revocation);
}

bool sense_revocation_is_ready(const sense_revocation *revocation)
{
	return revocation->ready;
}
