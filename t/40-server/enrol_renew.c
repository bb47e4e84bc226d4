/* Renewal and revocation, as an agent meets them: calls over a connection, a real database, a real signer. */
#include "proto/rpc.h"
#include "server/pki/revocation.h"
#include "server/rpc/calls.h"
#include "t/40-server/enrol_world.h"

static sense_calls *calls;
static sense_revoked *revoked;
static uint32_t next_id;

/* One agent's end. */
struct session {
	struct sense_connection connection;
	sense_rpc_session *rpc;
	struct sense_peer peer;
};

static const struct sense_connection_limits limits = {.input_max = 1 << 20,
                                                      .output_max = 1 << 20,
                                                      .output_high = 1 << 19,
                                                      .idle_us = 1u << 30,
                                                      .message_us = 1u << 30,
                                                      .send_us = 1u << 30};

static void on_changed(void *owner)
{
	(void)owner;
	ev_break(world.loop, EVBREAK_ONE);
}

static void session_begin(struct session *session, const struct sense_peer *peer)
{
	sense_connection_init(&session->connection, &sense_calls_protocol, NULL, &limits, 1);
	session->peer = *peer;
	session->rpc = sense_calls_begin(calls, &session->connection, peer);
	session->connection.self = session->rpc;
	session->connection.changed = on_changed;
	session->connection.owner = session;
}

static void session_end(struct session *session)
{
	sense_calls_end(session->rpc);
	sense_connection_fini(&session->connection);
}

static bool is_there(const struct session *session)
{
	return session->connection.state == SENSE_CONNECTION_OPEN;
}

static void ask(struct session *session, const uint8_t *request, size_t len)
{
	uint8_t message[8192];
	struct sense_wire_writer writer = {.data = message, .cap = sizeof message};
	sense_rpc_put_request(&writer, ++next_id, SENSE_METHOD_RENEW);
	sense_message_put_renew(&writer, request, len);
	sense_connection_in(&session->connection, message, writer.len, 1);
}

/* The answer to what was asked last: a certificate (X509_free), or NULL and *error. */
static X509 *answer(struct session *session, struct sense_message_error *error)
{
	static uint8_t bytes[16384];
	static char storage[17000];
	struct sense_rpc_message message;
	struct sense_message_renewed renewed;
	const char *why;
	size_t len;
	const uint8_t *out;
	while (!*(out = sense_connection_out(&session->connection, &len), &len) && is_there(session))
		ev_run(world.loop, EVRUN_ONCE);
	*error = (struct sense_message_error){.code = "none"};
	if (!len || len > sizeof bytes)
		return NULL;
	memcpy(bytes, out, len);
	sense_connection_sent(&session->connection, len, 1);
	if (!sense_rpc_parse(bytes, len, &message, &why))
		return NULL;
	if (message.error) {
		sense_message_get_error(message.error, message.error_len, storage, error, &why);
		return NULL;
	}
	if (!sense_message_get_renewed(message.body, message.body_len, storage, &renewed, &why) ||
	    renewed.chain_count != 1)
		return NULL;
	const unsigned char *at = renewed.certificate.data;
	return d2i_X509(NULL, &at, (long)renewed.certificate.len);
}

static X509 *renew(struct session *session, struct sense_message_error *error)
{
	char pem[2048];
	uint8_t *der = NULL;
	int len = 0;
	world_request(pem, &der, &len);
	ask(session, der, (size_t)len);
	OPENSSL_free(der);
	return answer(session, error);
}

/* An agent as it is after enrolment, whose last renewal was some time ago. */
static struct sense_peer agent_make(const char *host)
{
	struct sense_peer peer = {.serial_len = 16};
	sense_uuid_make(peer.agent);
	memcpy(peer.org, world.org, sizeof peer.org);
	if (getentropy(peer.serial, 16))
		abort();
	peer.serial[0] |= 1;
	sql("INSERT INTO sense.agents (id, org_id, host) VALUES ('%s', '%s', '%s')", peer.agent, peer.org,
	    host);
	char digits[41] = "";
	for (size_t i = 0; i < peer.serial_len; i++)
		snprintf(digits + 2 * i, 3, "%02x", peer.serial[i]);
	sql("INSERT INTO sense.agent_certificates (serial, agent_id, org_id, not_after) VALUES ('\\x%s', "
	    "'%s', '%s', now() + "
	    "interval '30 days')",
	    digits, peer.agent, peer.org);
	return peer;
}

static const char *certificates(const struct sense_peer *peer)
{
	return sql(
	    "SELECT count(*) FROM sense.agent_certificates WHERE agent_id = '%s' AND revoked_at IS NULL",
	    peer->agent);
}

static void renews(void)
{
	sense_error err;
	struct session session;
	struct sense_message_error error;
	struct sense_peer peer = agent_make("laptop"), fresh;
	session_begin(&session, &peer);
	X509 *certificate = renew(&session, &error);
	ok(certificate && !sense_pki_peer(world.ca.certificate, certificate, time(NULL), &fresh, &err),
	   "a new certificate: %s", error.code);
	ok(!strcmp(fresh.agent, peer.agent) && !strcmp(fresh.org, peer.org), "of the same agent");
	ok(memcmp(fresh.serial, peer.serial, 16), "with another serial");
	is_str(certificates(&peer), "2", "both are good");
	X509_free(certificate);
	ok(!renew(&session, &error), "a second one within minutes");
	is_str(error.code, "busy", "is not made");
	ok(error.retry > 500000 && error.retry <= 600000, "it says when: %u ms", error.retry);
	sql("UPDATE sense.agents SET renewed = now() - interval '601 seconds' WHERE id = '%s'", peer.agent);
	certificate = renew(&session, &error);
	ok(certificate, "ten minutes later it is");
	X509_free(certificate);
	session_end(&session);
}

/* Many at once, by several connections of one agent. */
static void races(void)
{
	struct session sessions[8];
	struct sense_message_error error;
	struct sense_peer peer = agent_make("hasty");
	unsigned good = 0;
	char pem[2048];
	uint8_t *der = NULL;
	int len = 0;
	world_request(pem, &der, &len);
	for (unsigned i = 0; i < 8; i++) {
		session_begin(&sessions[i], &peer);
		ask(&sessions[i], der, (size_t)len);
	}
	for (unsigned i = 0; i < 8; i++) {
		X509 *certificate = answer(&sessions[i], &error);
		good += certificate != NULL;
		X509_free(certificate);
		session_end(&sessions[i]);
	}
	OPENSSL_free(der);
	is_num(good, 1, "of eight at once one is answered with a certificate");
	is_str(certificates(&peer), "2", "and one is made");
}

static void refuses(void)
{
	struct session session;
	struct sense_message_error error;
	struct sense_peer peer = agent_make("server");
	session_begin(&session, &peer);
	ask(&session, (const uint8_t *)"hello", 5);
	ok(!answer(&session, &error) && !strcmp(error.code, "invalid"), "what is no request");
	session_end(&session);

	struct sense_peer stranger = peer;
	memcpy(stranger.org, world.other, sizeof stranger.org);
	session_begin(&session, &stranger);
	ok(!renew(&session, &error) && !strcmp(error.code, "denied"), "with another organization");
	session_end(&session);

	stranger = peer;
	stranger.serial[5] ^= 1;
	session_begin(&session, &stranger);
	ok(!renew(&session, &error) && !strcmp(error.code, "denied"), "with a certificate that nobody knows");
	session_end(&session);

	sql("UPDATE sense.agent_certificates SET revoked_at = now() WHERE agent_id = '%s'", peer.agent);
	session_begin(&session, &peer);
	ok(!renew(&session, &error) && !strcmp(error.code, "revoked"), "with one that was revoked");
	session_end(&session);

	peer = agent_make("gone");
	sql("UPDATE sense.agents SET revoked_at = now() WHERE id = '%s'", peer.agent);
	session_begin(&session, &peer);
	ok(!renew(&session, &error) && !strcmp(error.code, "revoked"), "of an agent that was revoked");
	session_end(&session);
	is_str(certificates(&peer), "1", "nothing was made");
	is_num(world.enrol->under_way, 0, "nothing is left under way");
}

/* ---- revocation ---------------------------------------------------------------------------------------- */

static bool revoke_done;
static char revoke_first[64];
static unsigned revoke_rows;

static void on_revoked(void *self, const struct sense_db_result *result)
{
	(void)self;
	revoke_rows = result->outcome == SENSE_DB_DONE ? result->rows : 99;
	snprintf(revoke_first, sizeof revoke_first, "%s",
	         result->rows && sense_db_value(result, 0, 0) ? sense_db_value(result, 0, 0) : "");
	revoke_done = true;
	ev_break(world.loop, EVBREAK_ONE);
}

static void revoke_agent(const char *org, const char *agent)
{
	struct sense_db_param params[] = {SENSE_DB_TEXT(agent), SENSE_DB_TEXT(org), SENSE_DB_TEXT("stolen"),
	                                  SENSE_DB_TEXT("me")};
	revoke_done = false;
	sense_db_ask(world.db, org, &sense_revocation_revoke, params, 4, on_revoked, NULL);
	while (!revoke_done)
		ev_run(world.loop, EVRUN_ONCE);
}

static void set_wait(const struct sense_peer *peer)
{
	while (!sense_revoked_has(revoked, peer->serial, peer->serial_len))
		ev_run(world.loop, EVRUN_ONCE);
}

static void revokes(void)
{
	sense_error err;
	struct session session, bystander;
	struct sense_message_error error;
	struct sense_peer before = agent_make("before"), peer = agent_make("stolen"),
			  other = agent_make("good");
	sql("UPDATE sense.agent_certificates SET revoked_at = now() WHERE agent_id = '%s'", before.agent);
	sql("UPDATE sense.agent_certificates SET not_after = now() - interval '1 hour' WHERE agent_id = '%s'",
	    agent_make("ended").agent);
	session_begin(&session, &peer);
	session_begin(&bystander, &other);
	struct sense_revocation_config config = {world.loop, world.db, revoked, calls, 3600};
	sense_revocation *revocation = sense_revocation_new(&config, &err);
	ok(!sense_revocation_is_ready(revocation), "the set is not there at once");
	set_wait(&before);
	ok(sense_revocation_is_ready(revocation) && sense_revoked_count(revoked) >= 1,
	   "what was revoked before is in it");
	ok(!sense_revoked_has(revoked, peer.serial, peer.serial_len) && is_there(&session), "others are not");

	revoke_agent(world.other, peer.agent);
	ok(!revoke_rows && is_there(&session), "another organization cannot revoke it");
	revoke_agent(world.org, peer.agent);
	is_str(revoke_first, peer.agent, "its own can");
	set_wait(&peer);
	ok(!is_there(&session), "it is hung up on");
	ok(is_there(&bystander) && !sense_revoked_has(revoked, other.serial, other.serial_len),
	   "nobody else is");
	is_str(sql("SELECT revoked_why FROM sense.agents WHERE id = '%s' AND revoked_at IS NOT NULL",
	           peer.agent),
	       "stolen", "it is written down why");
	is_str(sql("SELECT actor || ' ' || (details->>'why') FROM sense.audit_log WHERE action = "
	           "'agent.revoke' AND target = "
	           "'%s'",
	           peer.agent),
	       "me stolen", "and who did it");
	revoke_agent(world.org, peer.agent);
	ok(revoke_rows == 1 && !*revoke_first, "a second time nothing is done");
	session_end(&session);

	/* One certificate alone; and what is not heard of is seen by looking, here when the connection is
	 * made again. */
	sql("UPDATE sense.agent_certificates SET revoked_at = now() WHERE agent_id = '%s'", other.agent);
	sql("SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE pid <> pg_backend_pid() AND "
	    "usename = current_user");
	set_wait(&other);
	ok(!is_there(&bystander), "a certificate that was revoked without a word, behind a lost connection");
	session_end(&bystander);

	/* A message of one that is in the set is not served. */
	struct sense_peer late = agent_make("late");
	session_begin(&session, &late);
	sense_revoked_add(revoked, late.serial, late.serial_len);
	X509 *certificate = renew(&session, &error);
	ok(!certificate && !is_there(&session), "the next message ends the connection");
	session_end(&session);

	/* By the clock. */
	sense_revocation_free(revocation);
}

static void polls(void)
{
	sense_error err;
	struct sense_peer peer = agent_make("quiet");
	struct sense_revocation_config config = {world.loop, world.db, revoked, calls, 0.05};
	sense_db *db = world.db;
	struct sense_db_config own = {
	    .conninfo = stores.embedded.conninfo, .connections = 1, .timeout_us = 20000000};
	config.db = sense_db_new(world.loop, &own, &err);
	sense_revocation *revocation = sense_revocation_new(&config, &err);
	while (!sense_revocation_is_ready(revocation))
		ev_run(world.loop, EVRUN_ONCE);
	sql("UPDATE sense.agents SET revoked_at = now() WHERE id = '%s'", peer.agent);
	set_wait(&peer);
	ok(true, "what nobody tells of is found by looking");
	sense_db_free(config.db);
	sense_revocation_free(revocation);
	world.db = db;
}

int main(void)
{
	sense_error err;
	if (!ok(world_start(), "a CA, a signer, a database"))
		return tap_done();
	revoked = sense_revoked_new();
	ok(!sense_calls_metrics(&err), "metrics");
	calls = sense_calls_new(64, revoked);
	struct sense_method method = {SENSE_METHOD_RENEW, sense_enrol_renew, world.enrol};
	ok(calls && sense_calls_method(calls, &method), "the method");
	renews();
	races();
	refuses();
	revokes();
	polls();
	world_stop();
	sense_calls_free(calls);
	sense_revoked_free(revoked);
	return tap_done();
}
