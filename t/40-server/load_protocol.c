/* What agents may send that no good one does, against a whole server: each finding counts once, and nobody
 * else's do. */
#include "server/pki/revocation.h"
#include "t/40-server/load_world.h"

static void is_kept(struct answer answer, uint64_t want, const char *what)
{
	ok(answer.there && !*answer.code, "%s: kept", what);
	if (*answer.code)
		fprintf(stderr, "#   %s\n", answer.code);
	is_num(answer.through, want, "%s: through %llu", what, (unsigned long long)want);
}

static void is_error(struct answer answer, const char *code, const char *what)
{
	is_str(answer.there ? answer.code : "no answer", code, "%s", what);
}

/* ---- the same again, and in another order -------------------------------------------------------------- */

static void test_duplicates(void)
{
	struct agent agent = agent_make(1, WORLD_ORG);
	struct talk talk;
	struct batch *batch = batch_make(1, 0, 1, 10);
	ok(talk_open(&talk, agent.certificate, NULL, NULL), "duplicates: an agent connects");
	is_kept(batch_ask(&talk, batch), 10, "a batch");
	is_kept(batch_ask(&talk, batch), 10, "the same once more");
	is_kept(batch_ask(&talk, batch_make(2, 3, 4, 12)), 12, "the same cut differently");
	is_kept(batch_ask(&talk, batch_make(3, 0, 2, 5)), 12, "an old one");
	is_num(kept(&agent), 12, "duplicates: each finding is there once");
	/* Two connections of one agent, at the same moment. */
	struct talk second;
	struct batch *same = batch_make(4, 12, 13, 40);
	ok(talk_open(&second, agent.certificate, NULL, NULL), "the agent connects a second time");
	talk_send(&talk, same->data, same->len);
	talk_send(&second, same->data, same->len);
	is_kept(answer_hear(&talk), 40, "the same over the first");
	is_kept(answer_hear(&second), 40, "and over the second");
	is_num(kept(&agent), 40, "two connections: each finding is there once");
	/* Ten times without waiting. */
	for (uint32_t i = 0; i < 10; i++) {
		struct batch *again = batch_make(100 + i, 40, 41, 60);
		talk_send(&talk, again->data, again->len);
	}
	unsigned good = 0;
	for (uint32_t i = 0; i < 10; i++) {
		struct answer answer = answer_hear(&talk);
		good += answer.there && !*answer.code && answer.through == 60;
	}
	is_num(good, 10, "ten of the same on their way at once are all answered alike");
	is_num(kept(&agent), 60, "and kept once");
	talk_cut(&second);
	talk_cut(&talk);
}

static void test_order(void)
{
	struct agent agent = agent_make(2, WORLD_ORG);
	struct talk talk;
	ok(talk_open(&talk, agent.certificate, NULL, NULL), "order: an agent connects");
	struct answer answer = batch_ask(&talk, batch_make(1, 10, 11, 20));
	is_error(answer, "gap", "the second before the first is a gap");
	is_num(answer.through, 0, "which says where to go on");
	is_kept(batch_ask(&talk, batch_make(2, 0, 1, 10)), 10, "the first");
	answer = batch_ask(&talk, batch_make(3, 20, 21, 30));
	is_error(answer, "gap", "the third before the second is a gap");
	is_num(answer.through, 10, "behind the first");
	/* All in one piece, the wrong way round: taken in the order of their coming. */
	struct batch all = {.len = 0};
	struct batch *parts[] = {batch_make(4, 20, 21, 30), batch_make(5, 10, 11, 20),
	                         batch_make(6, 20, 21, 30)};
	for (unsigned i = 0; i < 3; i++) {
		memcpy(all.data + all.len, parts[i]->data, parts[i]->len);
		all.len += parts[i]->len;
	}
	talk_send(&talk, all.data, all.len);
	unsigned kept_answers = 0, gaps = 0;
	for (unsigned i = 0; i < 3; i++) {
		answer = answer_hear(&talk);
		kept_answers += answer.there && !*answer.code;
		gaps += answer.there && !strcmp(answer.code, "gap");
	}
	is_num(kept_answers + gaps, 3, "three in one piece are answered");
	is_kept(batch_ask(&talk, batch_make(7, 20, 21, 30)), 30, "what was left");
	is_num(kept(&agent), 30, "order: each finding is there once");
	is_error(batch_ask(&talk, batch_make(8, 35, 33, 34)), "invalid",
	         "findings that are not behind `after`");
	is_kept(batch_ask(&talk, batch_make(9, 30, 40, 45)), 45, "a hole in the numbers is no gap");
	is_num(kept(&agent), 36, "order: and those are there");
	talk_cut(&talk);
}

/* ---- torn ---------------------------------------------------------------------------------------------- */

static void test_torn_messages(void)
{
	struct agent agent = agent_make(3, WORLD_ORG);
	struct batch *batch = batch_make(1, 0, 1, 2);
	struct talk talk;
	unsigned opened = 0;
	for (size_t cut = 1; cut < batch->len; cut++) {
		opened += talk_open(&talk, agent.certificate, NULL, NULL);
		talk_send(&talk, batch->data, cut);
		talk_cut(&talk);
	}
	is_num(opened, batch->len - 1, "a batch was cut at each of its %zu bytes", batch->len);
	is_num(through(&agent), 0, "nothing of it was kept");
	/* The whole, and gone before the answer: kept or not, the next one comes out right. */
	talk_open(&talk, agent.certificate, NULL, NULL);
	talk_send(&talk, batch->data, batch->len);
	talk_cut(&talk);
	talk_open(&talk, agent.certificate, NULL, NULL);
	is_kept(batch_ask(&talk, batch), 2, "torn: the whole");
	is_num(kept(&agent), 2, "torn: each finding is there once");
	/* A byte at a time on one connection. */
	batch = batch_make(2, 2, 3, 4);
	for (size_t i = 0; i < batch->len; i++)
		talk_send(&talk, batch->data + i, 1);
	is_kept(answer_hear(&talk), 4, "torn: byte by byte");
	is_num(kept(&agent), 4, "torn: and those are there");
	talk_cut(&talk);
}

/* TLS itself is cut: what stands on the wire, not what is in it. */
static void test_torn_records(void)
{
	struct agent agent = agent_make(4, WORLD_ORG);
	struct batch *batch = batch_make(1, 0, 1, 2);
	struct talk talk;
	size_t size = 2;
	unsigned cut;
	for (cut = 1; cut < size; cut++) {
		char *bytes;
		if (!talk_open(&talk, agent.certificate, NULL, NULL))
			break;
		BIO *wire = BIO_new(BIO_s_mem());
		SSL_set0_wbio(talk.ssl, wire);
		talk_send(&talk, batch->data, batch->len);
		size = (size_t)BIO_get_mem_data(wire, &bytes);
		if (write(talk.fd, bytes, cut) != (ssize_t)cut)
			break;
		talk_cut(&talk);
	}
	ok(cut == size && size > batch->len, "a record of TLS was cut at each of its %zu bytes", size);
	is_num(through(&agent), 0, "nothing of it was kept");
	talk_open(&talk, agent.certificate, NULL, NULL);
	is_kept(batch_ask(&talk, batch), 2, "a record: the whole");
	is_num(kept(&agent), 2, "a record: each finding is there once");
	talk_cut(&talk);
}

/* ---- others -------------------------------------------------------------------------------------------- */

static void test_replay(void)
{
	struct agent first = agent_make(5, WORLD_ORG), second = agent_make(6, WORLD_ORG);
	struct talk talk;
	struct batch *batch = batch_make(1, 0, 1, 8);
	talk_open(&talk, first.certificate, NULL, NULL);
	is_kept(batch_ask(&talk, batch), 8, "replay: the first agent's batch");
	talk_cut(&talk);
	talk_open(&talk, second.certificate, NULL, NULL);
	is_kept(batch_ask(&talk, batch), 8, "the same bytes from a second agent are its own");
	is_error(batch_ask(&talk, batch_make(2, 20, 21, 22)), "gap", "and its numbers are its own");
	talk_cut(&talk);
	is_num(kept(&first), 8, "replay: the first agent's findings are there once");
	is_num(kept(&second), 8, "replay: the second's stand beside them, under its name");
	talk_open(&talk, first.certificate, NULL, NULL);
	is_kept(batch_ask(&talk, batch_make(3, 8, 9, 9)), 9, "replay: the first agent goes on where it was");
	talk_cut(&talk);
}

static void test_another_ca(void)
{
	sense_error err;
	char dir[128];
	struct sense_issuer other;
	bool made;
	struct talk talk;
	struct agent agent = agent_make(7, WORLD_ORG);
	snprintf(dir, sizeof dir, "%s/other", world.dir);
	const struct sense_ca_init init = {.dir = dir};
	ok(!sense_ca_init(&init, &made, &err) && !sense_ca_unlock(dir, NULL, &other, &err),
	   "another CA of the same make");
	X509 *certificate = certificate_make(&other, WORLD_ORG, agent.uuid);
	EVP_PKEY *key = sense_key_make(SENSE_KEY_P256, &err);
	struct answer answer = {.there = false};
	if (talk_open(&talk, certificate, NULL, NULL))
		answer = batch_ask(&talk, batch_make(1, 0, 1, 1));
	ok(!answer.there, "its certificate is not served");
	talk_cut(&talk);
	if (talk_open(&talk, agent.certificate, key, NULL))
		answer = batch_ask(&talk, batch_make(1, 0, 1, 1));
	ok(!answer.there, "nor is a good one without its key");
	talk_cut(&talk);
	answer.there = false;
	if (talk_open(&talk, NULL, NULL, NULL))
		answer = batch_ask(&talk, batch_make(1, 0, 1, 1));
	ok(!answer.there, "nor is nobody");
	talk_cut(&talk);
	is_num(kept(&agent), 0, "another CA: nothing was kept");
	EVP_PKEY_free(key);
	sense_ca_lock(&other);
}

static void test_organization(void)
{
	struct agent agent = agent_make(8, WORLD_ORG_OTHER); /* the database knows it in the first */
	struct agent stranger = {.uuid = "22222222-2222-4222-8222-000000009999"};
	struct talk talk;
	ok(talk_open(&talk, agent.certificate, NULL, NULL),
	   "a certificate that names another organization: it connects");
	is_error(batch_ask(&talk, batch_make(1, 0, 1, 3)), "denied", "but its findings are not taken");
	talk_cut(&talk);
	is_num(kept(&agent), 0, "nothing was kept");
	is_num(through(&agent), 0, "the agent's number did not move");
	is_str(sql("SELECT count(*) FROM sense.findings WHERE org_id = '" WORLD_ORG_OTHER "'"), "0",
	       "nor has the other organization anything");
	stranger.certificate = certificate_make(&world.ca, WORLD_ORG, stranger.uuid);
	talk_open(&talk, stranger.certificate, NULL, NULL);
	is_error(batch_ask(&talk, batch_make(1, 0, 1, 3)), "denied",
	         "an agent that the database does not know");
	talk_cut(&talk);
	is_num(kept(&stranger), 0, "nothing of it was kept");
}

static void test_revoked(void)
{
	struct agent agent = agent_make(9, WORLD_ORG), other = agent_make(10, WORLD_ORG);
	struct talk talk, neighbour;
	talk_open(&talk, agent.certificate, NULL, NULL);
	talk_open(&neighbour, other.certificate, NULL, NULL);
	is_kept(batch_ask(&talk, batch_make(1, 0, 1, 5)), 5, "revoked: before, it is served");
	is_kept(batch_ask(&neighbour, batch_make(1, 0, 1, 5)), 5, "revoked: another agent");
	const char *values[] = {agent.uuid, WORLD_ORG, "stolen", "test"};
	PQclear(PQexecParams(world.conn, sense_revocation_revoke.sql, 4, NULL, values, NULL, NULL, 0));
	/* Each worker is told within milliseconds; what it is doing at that moment it may finish. */
	struct answer answer = {.there = true};
	uint64_t last = 5;
	for (uint32_t id = 2; answer.there && id < 500; id++) {
		answer = batch_ask(&talk, batch_make(id, last, last + 1, last + 1));
		if (answer.there && !*answer.code)
			last++;
		usleep(10000);
	}
	ok(!answer.there || !strcmp(answer.code, "revoked"), "revoked: the connection ends");
	talk_cut(&talk);
	/* Numbers by which these are told from the last one above, which may be on its way to the disk still.
	 */
	unsigned served = 0;
	for (unsigned i = 0; i < 6; i++) { /* both workers */
		if (talk_open(&talk, agent.certificate, NULL, NULL))
			served += batch_ask(&talk, batch_make(1, last, last + 100 + i, last + 100 + i)).there;
		talk_cut(&talk);
	}
	is_num(served, 0, "revoked: it is not let in again");
	is_str(
	    sql("SELECT count(*) FROM sense.findings WHERE agent_id = '%s' AND sequence >= 100", agent.uuid),
	    "0", "revoked: nothing more was kept");
	printf("# %llu batches were taken between the revocation and its effect\n",
	       (unsigned long long)last - 5);
	is_kept(batch_ask(&neighbour, batch_make(2, 5, 6, 6)), 6, "revoked: the other agent is served on");
	talk_cut(&neighbour);
}

static void test_tickets(void)
{
	struct agent agent = agent_make(11, WORLD_ORG);
	struct talk talk;
	struct answer answer = {.there = false};
	talk_open(&talk, agent.certificate, NULL, NULL);
	is_kept(batch_ask(&talk, batch_make(1, 0, 1, 2)), 2, "tickets: an agent is served");
	is_num(talk.tickets, 0, "tickets: it is given none");
	SSL_SESSION *session = SSL_get1_session(talk.ssl);
	ok(!SSL_SESSION_is_resumable(session), "tickets: its session cannot be resumed");
	/* As if one had been stolen all the same. */
	SSL_SESSION *stolen = SSL_SESSION_dup(session);
	talk_cut(&talk);
	bool opened = talk_open(&talk, NULL, NULL, stolen);
	if (opened)
		answer = batch_ask(&talk, batch_make(1, 2, 3, 3));
	ok(!answer.there, "tickets: with a session and without a certificate nobody is served");
	ok(!opened || !SSL_session_reused(talk.ssl), "tickets: nor was the session resumed");
	talk_cut(&talk);
	is_num(kept(&agent), 2, "tickets: nothing more was kept");
	SSL_SESSION_free(session);
	SSL_SESSION_free(stolen);
}

/* ---- findings that are none ---------------------------------------------------------------------------- */

static void test_bad_findings(void)
{
	struct agent agent = agent_make(12, WORLD_ORG);
	struct talk talk;
	struct batch batch;
	struct sense_wire_writer writer;
	uint8_t bytes[512];
	const uint64_t now = (uint64_t)time(NULL) * 1000000;
	const uint64_t times[] = {now, 1, UINT64_MAX, INT64_MAX, now + UINT64_C(3600000000) * 24 * 365, now};
	talk_open(&talk, agent.certificate, NULL, NULL);
	batch_begin(&batch, &writer, 1, 0, 8);
	for (uint64_t i = 0; i < 6; i++) {
		size_t len = finding_make(i + 1, times[i], bytes, sizeof bytes);
		sense_message_put_finding(&writer, i + 1, bytes, len);
	}
	sense_message_put_finding(&writer, 7, (const uint8_t *)"\xc1 no finding", 13);
	sense_message_put_finding(&writer, 8, (const uint8_t *)"", 0);
	batch.len = writer.len;
	struct answer answer = batch_ask(&talk, &batch);
	is_kept(answer, 8, "bad findings among good ones");
	is_num(answer.refused, 3, "those that are none, or older than findings are kept, are refused");
	is_num(kept(&agent), 5, "all others are there, however late they claim to be");
	is_str(sql("SELECT string_agg(sequence::text, ' ' ORDER BY sequence) FROM sense.findings_quarantine "
	           "WHERE agent_id = '%s' AND reason <> ''",
	           agent.uuid),
	       "2 7 8", "what was refused is set aside, with the reason");
	is_error(batch_ask(&talk, batch_make(2, 8, UINT64_C(1) << 63, UINT64_C(1) << 63)), "invalid",
	         "a number that the database cannot hold");
	is_kept(batch_ask(&talk, batch_make(3, 8, 9, 9)), 9, "and the agent goes on");
	is_num(kept(&agent), 6, "bad findings: each good one is there once");
	talk_cut(&talk);
}

int main(void)
{
	world_begin();
	test_duplicates();
	test_order();
	test_torn_messages();
	test_torn_records();
	test_replay();
	test_another_ca();
	test_organization();
	test_revoked();
	test_tickets();
	test_bad_findings();
	is_str(sql("SELECT count(*) - count(DISTINCT (agent_id, sequence)) FROM sense.findings"), "0",
	       "no finding of any agent is there twice");
	ok(!world_log_has("ended by signal"), "no process of the server died");
	return tap_done();
}
