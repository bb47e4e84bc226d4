/* Enrolment against a real database and a real signer: who is let in, how often, and what is left when it
 * fails. */
#include <jansson.h>

#include "t/40-server/enrol_world.h"

static struct {
	unsigned count, good, spent;
	unsigned status, retry;
	char type[64], body[8192];
} got;

static unsigned wanted;

static void on_answer(void *self, const struct sense_enrol_answer *answer)
{
	(void)self;
	got.count++;
	got.good += answer->status == 200;
	got.spent += answer->status == 403;
	got.status = answer->status;
	got.retry = answer->retry;
	snprintf(got.type, sizeof got.type, "%s", answer->type);
	snprintf(got.body, sizeof got.body, "%s", answer->body);
	if (got.count == wanted)
		ev_break(world.loop, EVBREAK_ALL);
}

static void wait_for(unsigned count)
{
	wanted = count;
	if (got.count < wanted)
		ev_run(world.loop, 0);
}

/* Answered or not yet. */
static void ask(const char *token, const char *host)
{
	char body[4096], pem[2048];
	world_request(pem, NULL, NULL);
	int len = snprintf(body, sizeof body,
	                   "{\"token\":\"%s\",\"csr\":\"%s\",\"host\":\"%s\",\"version\":\"0.3.0\"}", token,
	                   pem, host);
	sense_enrol_ask(world.enrol, body, (size_t)len, "192.0.2.9", on_answer, NULL);
}

static unsigned enrol(const char *token)
{
	memset(&got, 0, sizeof got);
	ask(token, "laptop");
	wait_for(1);
	return got.status;
}

static const char *member(const char *name)
{
	static char text[4096];
	json_t *json = json_loads(got.body, 0, NULL);
	snprintf(text, sizeof text, "%s", json_string_value(json_object_get(json, name)));
	json_decref(json);
	return text;
}

static void joins(void)
{
	char agent[64], serial[64] = "";
	sense_error err;
	struct sense_peer peer;
	const char *token = world_token(3, "1 hour");
	sql("INSERT INTO sense.agent_groups (org_id, name) VALUES ('%s', 'laptops'), ('%s', 'laptops')",
	    world.org, world.other);
	sql("UPDATE sense.enrolment_tokens SET groups = (SELECT array_agg(id) FROM sense.agent_groups), "
	    "labels = "
	    "'{\"site\": \"x\"}'");
	is_num(enrol(token), 200, "an agent enrols: %s", got.body);
	is_str(got.type, "application/json", "JSON");
	is_str(member("organization"), world.org, "of its organization");
	is_str(member("ca"), world.ca.pem, "the CA");
	is_num(strlen(member("policy_key")), 64, "the key of policies");
	ok(strstr(got.body, "\"servers\":[\"sense.example:8443\",\"[2001:db8::7]:8443\"]"), "the servers");
	snprintf(agent, sizeof agent, "%s", member("agent"));
	BIO *in = BIO_new_mem_buf(member("certificate"), -1);
	X509 *certificate = PEM_read_bio_X509(in, NULL, NULL, NULL);
	ok(certificate && !sense_pki_peer(world.ca.certificate, certificate, time(NULL), &peer, &err) &&
	       !strcmp(peer.agent, agent) && !strcmp(peer.org, world.org),
	   "the certificate is the agent's");
	for (size_t i = 0; i < peer.serial_len; i++)
		snprintf(serial + 2 * i, 3, "%02x", peer.serial[i]);
	X509_free(certificate);
	BIO_free(in);
	is_str(sql("SELECT concat_ws(' ', host, version, host(address), labels->>'site') FROM sense.agents "
	           "WHERE id = '%s' AND "
	           "org_id = '%s'",
	           agent, world.org),
	       "laptop 0.3.0 192.0.2.9 x", "the agent is written down");
	is_str(sql("SELECT not_after - not_before FROM sense.agent_certificates WHERE serial = '\\x%s' AND "
	           "agent_id = '%s'",
	           serial, agent),
	       "90 days 00:05:00", "and its certificate");
	is_str(
	    sql("SELECT string_agg(org_id::text, ' ') FROM sense.agent_group_members WHERE agent_id = '%s'",
	        agent),
	    world.org, "it is in the groups of its organization alone");
	is_str(
	    sql("SELECT count(*) FROM sense.audit_log WHERE action = 'agent.enrol' AND target = '%s'", agent),
	    "1", "the audit log has it");
	is_str(sql("SELECT uses_left FROM sense.enrolment_tokens"), "2", "one use is taken");
}

static void refused(void)
{
	char token[65];
	snprintf(token, sizeof token, "%s", world_token(1, "1 hour"));
	token[63] = token[63] == '0' ? '1' : '0';
	is_num(enrol(token), 401, "another secret");
	is_str(got.type, "application/problem+json", "is a problem");
	is_str(member("code"), "token_unknown", "with its code");
	char secret[512];
	snprintf(secret, sizeof secret, "%.500s", got.body);
	snprintf(token, sizeof token, "%064d", 0);
	is_num(enrol(token), 401, "another id");
	is_str(got.body, secret, "is told in the same words");
	is_num(enrol(world_token(1, "-1 second")), 403, "a token whose time is over");
	is_str(member("code"), "token_expired", "says so");
	snprintf(token, sizeof token, "%s", world_token(1, "1 hour"));
	is_num(enrol(token), 200, "the last use");
	is_num(enrol(token), 403, "one more");
	is_str(member("code"), "token_spent", "says so");
	snprintf(token, sizeof token, "%s", world_token(9, "1 hour"));
	sql("UPDATE sense.enrolment_tokens SET revoked_at = now() WHERE uses_left = 9");
	is_num(enrol(token), 403, "a token that was revoked");
	is_str(member("code"), "token_revoked", "says so");
	is_str(sql("SELECT uses_left FROM sense.enrolment_tokens WHERE revoked_at IS NOT NULL"), "9",
	       "and keeps its uses");
}

/* <csr> is the request, <N> as many digits of the token. */
static void fill(char *out, const char *from, const char *token, const char *pem)
{
	while (*from) {
		unsigned digits;
		if (!strncmp(from, "<csr>", 5))
			out += sprintf(out, "%s", pem);
		else if (sscanf(from, "<%2u>", &digits) == 1)
			out += sprintf(out, "%.*s", (int)digits, token);
		else
			*out++ = *from;
		from += *from == '<' ? strcspn(from, ">") + 1 : 1;
	}
	*out = '\0';
}

static void malformed(void)
{
	static char large[SENSE_ENROL_BODY_MAX + 1];
	char pem[2048], body[8192], agents[16];
	const char *token = world_token(5, "1 hour");
	snprintf(agents, sizeof agents, "%s", sql("SELECT count(*) FROM sense.agents"));
	world_request(pem, NULL, NULL);
	const struct {
		const char *what, *body;
	} bodies[] = {
	    {"no JSON", "hello"},
	    {"an array", "[]"},
	    {"nothing", ""},
	    {"no token", "{\"csr\":\"<csr>\",\"host\":\"a\",\"version\":\"1\"}"},
	    {"a number for a token", "{\"token\":1,\"csr\":\"<csr>\",\"host\":\"a\",\"version\":\"1\"}"},
	    {"a token that is cut",
	     "{\"token\":\"<62>\",\"csr\":\"<csr>\",\"host\":\"a\",\"version\":\"1\"}"},
	    {"a token that is none",
	     "{\"token\":\"<63>g\",\"csr\":\"<csr>\",\"host\":\"a\",\"version\":\"1\"}"},
	    {"no request", "{\"token\":\"<64>\",\"host\":\"a\",\"version\":\"1\"}"},
	    {"a request that is none", "{\"token\":\"<64>\",\"csr\":\"x\",\"host\":\"a\",\"version\":\"1\"}"},
	    {"no host", "{\"token\":\"<64>\",\"csr\":\"<csr>\",\"version\":\"1\"}"},
	    {"a host of two lines",
	     "{\"token\":\"<64>\",\"csr\":\"<csr>\",\"host\":\"a\\nb\",\"version\":\"1\"}"},
	    {"a version that is too long",
	     "{\"token\":\"<64>\",\"csr\":\"<csr>\",\"host\":\"a\",\"version\":\"<64><64>\"}"},
	    {"a member twice",
	     "{\"token\":\"<64>\",\"csr\":\"<csr>\",\"host\":\"a\",\"host\":\"b\",\"version\":\"1\"}"},
	    {"NUL in a text",
	     "{\"token\":\"<64>\",\"csr\":\"<csr>\",\"host\":\"a\\u0000b\",\"version\":\"1\"}"},
	};
	for (unsigned i = 0; i < sizeof bodies / sizeof *bodies; i++) {
		memset(&got, 0, sizeof got);
		fill(body, bodies[i].body, token, pem);
		sense_enrol_ask(world.enrol, body, strlen(body), "", on_answer, NULL);
		wait_for(1);
		is_num(got.status, 400, "%s", bodies[i].what);
	}
	memset(large, '[', sizeof large);
	sense_enrol_ask(world.enrol, large, sizeof large, "", on_answer, NULL);
	is_num(got.status, 413, "a huge one");
	sense_enrol_ask(world.enrol, large, sizeof large - 1, "", on_answer, NULL);
	is_num(got.status, 400, "a deep one");
	is_str(sql("SELECT count(*) FROM sense.agents"), agents, "nobody joined by these");
}

/* Fifty at once, ten uses. */
static void crowd(void)
{
	char token[65];
	snprintf(token, sizeof token, "%s", world_token(10, "1 hour"));
	memset(&got, 0, sizeof got);
	for (unsigned i = 0; i < 50; i++)
		ask(token, "crowd");
	wait_for(50);
	is_num(got.good, 10, "of fifty at once ten are let in");
	is_num(got.spent, 40, "the others are told that the token is spent");
	is_str(sql("SELECT count(*) FROM sense.agents WHERE host = 'crowd'"), "10", "ten agents");
	is_str(sql("SELECT count(*) FROM sense.agent_certificates c JOIN sense.agents a ON a.id = c.agent_id "
	           "WHERE a.host = "
	           "'crowd'"),
	       "10", "ten certificates");
	is_num(world.enrol->under_way, 0, "nothing is left under way");
	memset(&got, 0, sizeof got);
	for (unsigned i = 0; i < SENSE_ENROL_UNDER_WAY_MAX + 1; i++)
		ask(token, "crowd");
	ok(got.count == 1 && got.status == 503 && got.retry, "too many at once are told to come again");
	wait_for(SENSE_ENROL_UNDER_WAY_MAX + 1);
	is_num(got.good, 0, "and the others that the token is spent");
}

/* Without a signer and without a database: told, and no use is taken. */
static void away(void)
{
	char token[65];
	sense_error err;
	snprintf(token, sizeof token, "%s", world_token(7, "1 hour"));
	sense_signer_client *client = world.enrol->config.signer;
	int ends[2];
	(void)!socketpair(AF_UNIX, SOCK_SEQPACKET, 0, ends);
	world.enrol->config.signer = sense_signer_client_new(world.loop, ends[0], 0.2, &err);
	is_num(enrol(token), 503, "the signer does not answer");
	ok(got.retry, "try again");
	sense_signer_client_free(world.enrol->config.signer);
	world.enrol->config.signer = client;
	is_str(sql("SELECT uses_left FROM sense.enrolment_tokens WHERE uses_left = 7"), "7",
	       "no use is taken");

	world_signer_stop();
	memset(&got, 0, sizeof got);
	for (unsigned i = 0; i < 3; i++)
		ask(token, "later");
	for (unsigned i = 0; i < 50 && !sense_signer_client_waiting(client); i++)
		ev_run(world.loop, EVRUN_ONCE);
	world_signer_start();
	wait_for(3);
	is_num(got.good, 3, "one that is started again goes on with what waited");

	sense_db *db = world.enrol->config.db;
	struct sense_db_config none = {
	    .conninfo = "host=/nonexistent", .connections = 1, .timeout_us = 200000};
	world.enrol->config.db = sense_db_new(world.loop, &none, &err);
	is_num(enrol(token), 503, "the database cannot be reached");
	sense_db_free(world.enrol->config.db);
	world.enrol->config.db = db;
	is_num(enrol(token), 200, "when all is there again, it goes on");
	is_str(sql("SELECT uses_left FROM sense.enrolment_tokens WHERE uses_left = 3 AND "

	           "expires_at > now()"),
	       "3", "with as many uses as were had");
}

int main(void)
{
	if (!ok(world_start(), "a CA, a signer, a database"))
		return tap_done();
	joins();
	refused();
	malformed();
	crowd();
	away();
	world_stop();
	return tap_done();
}
