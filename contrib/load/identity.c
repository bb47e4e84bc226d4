/* Agents without the server's help: certificates by the CA's own key, rows by SQL. */
#include <libpq-fe.h>
#include <time.h>
#include <unistd.h>

#include "contrib/load/load.h"
#include "core/base/buf.h"
#include "proto/hex.h"
#include "server/pki/ca.h"

enum { PATIENCE_S = 60 };

static enum sense_status sql_fail(PGconn *conn, PGresult *result, sense_error *err)
{
	enum sense_status status =
	    sense_fail(err, SENSE_E_CONFIG, "load", "the database: %s", PQerrorMessage(conn));
	PQclear(result);
	return status;
}

static enum sense_status run(PGconn *conn, const char *sql, unsigned count, const char *const *values,
                             char *out, size_t cap, sense_error *err)
{
	PGresult *result = PQexecParams(conn, sql, (int)count, NULL, values, NULL, NULL, 0);
	ExecStatusType status = PQresultStatus(result);
	if (status != PGRES_COMMAND_OK && status != PGRES_TUPLES_OK && status != PGRES_COPY_IN)
		return sql_fail(conn, result, err);
	if (out && PQntuples(result))
		snprintf(out, cap, "%s", PQgetvalue(result, 0, 0));
	PQclear(result);
	return SENSE_OK;
}

static void row_add(struct sense_buf *rows, const struct load_agent *agent)
{
	uint8_t serial[SENSE_CERTIFICATE_SERIAL];
	char digits[2 * SENSE_CERTIFICATE_SERIAL + 1];
	size_t len = sense_certificate_serial(agent->certificate, serial);
	sense_buf_printf(rows, "%s\thost-%u\t\\\\x", agent->uuid, (unsigned)(agent - agent->load->agents));
	sense_hex_text(serial, len, digits);
	sense_buf_printf(rows, "%s\t%lld\n", digits, (long long)sense_certificate_end(agent->certificate));
}

static enum sense_status rows_put(struct load *load, PGconn *conn, sense_error *err)
{
	struct sense_buf rows;
	sense_buf_init(&rows, 0);
	for (unsigned i = 0; i < load->options.agents; i++)
		row_add(&rows, &load->agents[i]);
	int failed = rows.failed || PQputCopyData(conn, rows.data, (int)rows.len) != 1 ||
	             PQputCopyEnd(conn, NULL) != 1;
	sense_buf_fini(&rows);
	PGresult *result = PQgetResult(conn);
	if (failed || PQresultStatus(result) != PGRES_COMMAND_OK)
		return sql_fail(conn, result, err);
	PQclear(result);
	PQclear(PQgetResult(conn));
	return SENSE_OK;
}

static enum sense_status agents_put(struct load *load, PGconn *conn, sense_error *err)
{
	const char *org[] = {load->state->org};
	enum sense_status status = run(conn, "BEGIN", 0, NULL, NULL, 0, err);
	if (!status)
		status = run(
		    conn,
		    "CREATE TEMP TABLE load (id uuid, host text, serial bytea, ends bigint) ON COMMIT DROP",
		    0, NULL, NULL, 0, err);
	if (!status)
		status = run(conn, "COPY load FROM STDIN", 0, NULL, NULL, 0, err);
	if (!status)
		status = rows_put(load, conn, err);
	if (!status)
		status = run(conn,
		             "INSERT INTO sense.agents (id, org_id, host, version) SELECT id, $1::uuid, "
		             "host, 'load' FROM load "
		             "ON CONFLICT DO NOTHING",
		             1, org, NULL, 0, err);
	if (!status)
		status = run(conn,
		             "INSERT INTO sense.agent_certificates (serial, agent_id, org_id, not_after) "
		             "SELECT serial, id, $1::uuid, to_timestamp(ends) FROM load",
		             1, org, NULL, 0, err);
	return status ? status : run(conn, "COMMIT", 0, NULL, NULL, 0, err);
}

static PGconn *database_open(const char *conninfo, sense_error *err)
{
	for (unsigned tries = 0;; tries++) {
		PGconn *conn = PQconnectdb(conninfo);
		if (PQstatus(conn) == CONNECTION_OK)
			return conn;
		sense_fail(err, SENSE_E_CONFIG, "load", "the database: %s", PQerrorMessage(conn));
		PQfinish(conn);
		if (tries == PATIENCE_S)
			return NULL;
		sleep(1);
	}
}

static enum sense_status org_find(struct load *load, PGconn *conn, sense_error *err)
{
	const char *values[] = {load->options.org};
	enum sense_status status =
	    run(conn, "INSERT INTO sense.organizations (name) VALUES ($1) ON CONFLICT (name) DO NOTHING", 1,
	        values, NULL, 0, err);
	if (!status)
		status = run(conn, "SELECT id FROM sense.organizations WHERE name = $1", 1, values,
		             load->state->org, sizeof load->state->org, err);
	return status;
}

static enum sense_status certificates_make(struct load *load, const struct sense_issuer *ca, sense_error *err)
{
	/* One key for all: they differ in their certificates, and that is what the server looks at. */
	EVP_PKEY *key = sense_key_make(SENSE_KEY_P256, err);
	time_t now = time(NULL);
	for (unsigned i = 0; key && i < load->options.agents; i++) {
		struct load_agent *agent = &load->agents[i];
		load_agent_uuid(load->state->seed, i, agent->uuid);
		EVP_PKEY_up_ref(key);
		agent->load = load;
		agent->key = key;
		agent->certificate =
		    sense_certificate_agent(ca, load->state->org, agent->uuid, key, now, err);
		if (!agent->certificate)
			break;
	}
	EVP_PKEY_free(key);
	return load->agents[load->options.agents - 1].certificate ? SENSE_OK : SENSE_E_CONFIG;
}

enum sense_status load_identities_make(struct load *load, sense_error *err)
{
	struct sense_issuer ca;
	PGconn *conn = NULL;
	enum sense_status status = sense_ca_unlock(load->options.ca_dir, NULL, &ca, err);
	if (!status && !load->state->known) {
		conn = database_open(load->options.database, err);
		status = conn ? org_find(load, conn, err) : SENSE_E_CONFIG;
	}
	if (!status)
		status = certificates_make(load, &ca, err);
	if (!status && conn)
		status = agents_put(load, conn, err);
	load->state->known |= !status;
	PQfinish(conn);
	sense_ca_lock(&ca);
	return status;
}
