/* Agents for tests of ingest: findings that can be told apart, batches as the wire has them. */
#ifndef SENSE_T_INGEST_H
#define SENSE_T_INGEST_H

#include <stdio.h>
#include <string.h>

#include "core/base/clock.h"
#include "proto/finding.h"
#include "proto/message.h"
#include "server/ingest/ingest.h"
#include "server/store/migrate.h"
#include "t/stores.h"

#define ORG_A "00000000-0000-4000-8000-00000000000a"
#define ORG_B "00000000-0000-4000-8000-00000000000b"

/* Of agent number n. */
__attribute__((unused)) static const char *agent_id(unsigned n)
{
	static char id[4][37];
	static unsigned turn;
	char *out = id[turn++ % 4];
	snprintf(out, 37, "00000000-0000-4000-9000-%012x", n);
	return out;
}

struct made {
	uint64_t timestamp; /* 0: now */
	const char *rule, *severity, *source_ip, *type, *service;
};

/* The id says whose it is and which. */
static size_t make_finding(unsigned agent, uint64_t sequence, const struct made *made, uint8_t *out,
                           size_t cap)
{
	struct sense_finding finding = {
	    .timestamp = made->timestamp ? made->timestamp : sense_clock_us(),
	    .type = made->type ? made->type : "service",
	    .severity = made->severity ? made->severity : "medium",
	    .rule = made->rule ? made->rule : "ai.service.chat",
	    .policy = "services",
	    .source_ip = made->source_ip ? made->source_ip : "10.1.2.3",
	    .source_port = 40000,
	    .dest_ip = "2001:db8::1",
	    .dest_port = 443,
	    .host = "claude.ai",
	    .service = made->service ? made->service : "claude",
	    .service_name = "Claude",
	    .category = "chat",
	    .confidence = 90,
	    .evidence_count = 2,
	    .evidence = {"sni:claude.ai (exact, grade A)", "dns:claude.ai (exact, grade A)"},
	    .process = "firefox",
	    .user = "alice",
	    .summary = "firefox used Claude (claude.ai)",
	    .detail_count = 4,
	    .details = {{"event", SENSE_DETAIL_STRING, "flow.classified", 0, false},
	                {"bytes_up", SENSE_DETAIL_NUMBER, NULL, 123456, false},
	                {"ja4", SENSE_DETAIL_STRING, "t13d1516h2_8daaf6152771_02713d6af862", 0, false},
	                {"quic", SENSE_DETAIL_BOOL, NULL, 0, true}},
	    .tag_count = 1,
	    .tags = {"atlas:AML.T0024"},
	    .action = "alert"};
	for (unsigned i = 0; i < 8; i++) {
		finding.id[i] = (uint8_t)(agent >> (8 * (7 - i)) * (i >= 4));
		finding.id[8 + i] = (uint8_t)(sequence >> (8 * (7 - i)));
	}
	for (unsigned i = 0; i < 4; i++)
		finding.id[i] = 0;
	return sense_finding_encode(&finding, out, cap);
}

struct wire {
	uint8_t *data;
	struct sense_wire_writer writer;
};

__attribute__((unused)) static void wire_begin(struct wire *wire, uint64_t after, uint32_t count)
{
	size_t cap = 256 + (size_t)count * 2048;
	wire->data = malloc(cap);
	wire->writer = (struct sense_wire_writer){.data = wire->data, .cap = cap};
	sense_message_put_findings(&wire->writer, after, count);
}

__attribute__((unused)) static void wire_add(struct wire *wire, unsigned agent, uint64_t sequence,
                                             const struct made *made)
{
	uint8_t finding[SENSE_FINDING_BYTES_MAX];
	size_t len = make_finding(agent, sequence, made, finding, sizeof(finding));
	sense_message_put_finding(&wire->writer, sequence, finding, len);
}

__attribute__((unused)) static enum sense_ingest_submit wire_submit(struct wire *wire, sense_ingest *ingest,
                                                                    const char *org, unsigned agent,
                                                                    sense_ingest_done *done, void *self)
{
	struct sense_message_findings findings;
	const char *why = NULL;
	enum sense_ingest_submit got = SENSE_INGEST_INVALID;

	if (sense_message_get_findings(wire->data, wire->writer.len, &findings, &why))
		got =
		    sense_ingest_submit(ingest, org, agent_id(agent), findings.after, &findings, done, self);
	free(wire->data);
	return got;
}

/* Sequences after + 1 to last, all plain. */
__attribute__((unused)) static enum sense_ingest_submit send_plain(sense_ingest *ingest, unsigned agent,
                                                                   uint64_t after, uint64_t last,
                                                                   sense_ingest_done *done, void *self)
{
	static const struct made plain = {0};
	struct wire wire;
	wire_begin(&wire, after, (uint32_t)(last - after));
	for (uint64_t sequence = after + 1; sequence <= last; sequence++)
		wire_add(&wire, agent, sequence, &plain);
	return wire_submit(&wire, ingest, ORG_A, agent, done, self);
}

__attribute__((unused)) static bool make_schema(unsigned agents)
{
	struct sense_migrate_report report;
	sense_error err;
	if (sense_migrate(&(struct sense_migrate_config){.conninfo = stores.embedded.conninfo}, &report,
	                  &err)) {
		fprintf(stderr, "# %s\n", err.message);
		return false;
	}
	sql("INSERT INTO sense.organizations (id, name) VALUES ('" ORG_A "', 'a'), ('" ORG_B "', 'b')");
	sql("INSERT INTO sense.agents (id, org_id, host) SELECT ('00000000-0000-4000-9000-' || lpad(to_hex(n), 12, "
	    "'0'))::uuid, '" ORG_A "', 'host' || n FROM generate_series(1, %u) n",
	    agents);
	sql("SELECT sense.make_partitions()");
	return true;
}

/* "" when agents 1 to n have each finding up to `total` once, and counts and outbox agree. */
__attribute__((unused)) static const char *exactly_once(unsigned agents, unsigned total)
{
	return sql(
	    "SELECT string_agg(what || ' ' || n, ', ') FROM ("
	    "SELECT 'lost' AS what, count(*) AS n FROM generate_series(1, %u) a, generate_series(1, %u) s WHERE NOT "
	    "EXISTS (SELECT FROM sense.findings f WHERE f.agent_id = ('00000000-0000-4000-9000-' || lpad(to_hex(a), "
	    "12, '0'))::uuid AND f.sequence = s) AND NOT EXISTS (SELECT FROM sense.findings_quarantine q WHERE "
	    "q.agent_id = ('00000000-0000-4000-9000-' || lpad(to_hex(a), 12, '0'))::uuid AND q.sequence = s) "
	    "UNION ALL SELECT 'doubled', count(*) - count(DISTINCT (agent_id, sequence)) FROM (SELECT agent_id, "
	    "sequence FROM sense.findings UNION ALL SELECT agent_id, sequence FROM sense.findings_quarantine) x "
	    "UNION ALL SELECT 'miscounted', (SELECT count(*) FROM sense.findings) - (SELECT coalesce(sum(findings), 0) "
	    "FROM sense.findings_hourly_new) - (SELECT coalesce(sum(findings), 0) FROM sense.findings_hourly) "
	    "UNION ALL SELECT 'not in the outbox', %u::bigint * %u - (SELECT sum(last_sequence - first_sequence + 1) "
	    "FROM sense.outbox) UNION ALL SELECT 'overlapping in the outbox', count(*) FROM sense.outbox a JOIN "
	    "sense.outbox b ON a.agent_id = b.agent_id AND a.id < b.id AND a.first_sequence <= b.last_sequence AND "
	    "b.first_sequence <= a.last_sequence) bad WHERE n <> 0",
	    agents, total, agents, total);
}

#endif
