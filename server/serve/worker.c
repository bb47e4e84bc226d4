/* What a worker is made of: stores, the signer, the fleet, enrolment, revocation. */
#include <stdlib.h>

#include "server/fleet/enrol.h"
#include "server/fleet/fleet.h"
#include "server/ingest/ingest.h"
#include "server/pki/revocation.h"
#include "server/serve/internal.h"
#include "server/serve/metrics.h"

enum { BATCH_BYTES = 1 << 20, DB_TIMEOUT_S = 15 };

struct parts {
	struct sense_server_worker *worker;
	int signer_end;
	sense_db *db;
	sense_ingest *ingest;
	sense_signer_client *signer;
	sense_enrol *enrol;
	sense_agents *fleet;
	sense_revocation *revocation;
	ev_timer metrics_timer;
	struct sense_ingest_stats ingest_told;
	struct sense_db_stats db_told;
};

/* ---- begin and end -------------------------------------------------------------------------------------- */

static const char *database_ready(void *self)
{
	const struct parts *parts = self;
	if (!sense_db_is_up(parts->db))
		return "the database cannot be reached";
	return sense_revocation_is_ready(parts->revocation)
	         ? NULL
	         : "it is not known yet which certificates were revoked";
}

static enum sense_status stores_begin(struct parts *parts, sense_error *err)
{
	const struct sense_conf *conf = parts->worker->conf;
	const struct sense_db_config store = {
	    .conninfo = sense_serve.conninfo,
	    .connections = (unsigned)sense_conf_number(conf, SENSE_SERVER_KEY_DATABASE_CONNECTIONS),
	    .timeout_us = DB_TIMEOUT_S * UINT64_C(1000000),
	};
	const struct sense_ingest_config take = {
	    .conninfo = sense_serve.conninfo,
	    .delay_us = sense_conf_number(conf, SENSE_SERVER_KEY_INGEST_DELAY),
	    .retention = (unsigned)sense_conf_number(conf, SENSE_SERVER_KEY_FINDINGS_RETENTION),
	};
	unsigned end = sense_serve_end_of_worker(parts->worker->slot, parts->worker->generation);
	parts->signer_end = sense_signer_take(sense_serve.signer, end);
	parts->db = sense_db_new(parts->worker->loop, &store, err);
	if (parts->db)
		parts->ingest = sense_ingest_new(parts->worker->loop, &take, err);
	if (parts->ingest)
		parts->signer = sense_signer_client_new(parts->worker->loop, parts->signer_end, 0, err);
	return parts->signer ? SENSE_OK : err->status;
}

static enum sense_status fleet_begin(struct parts *parts, sense_error *err)
{
	const struct sense_conf *conf = parts->worker->conf;
	const struct sense_agents_config fleet = {
	    .loop = parts->worker->loop,
	    .db = parts->db,
	    .calls = parts->worker->calls,
	    .sent = &parts->worker->agents,
	    .ingest = parts->ingest,
	    .heartbeat_s = (uint32_t)(sense_conf_number(conf, SENSE_SERVER_KEY_AGENTS_HEARTBEAT) / 1000000),
	    .batch_rows = (uint32_t)sense_conf_number(conf, SENSE_SERVER_KEY_INGEST_BATCH_ROWS),
	    .batch_bytes = BATCH_BYTES,
	};
	const struct sense_enrol_config enrol = {
	    .db = parts->db, .signer = parts->signer, .ca = &sense_serve.ca};
	parts->fleet = sense_agents_new(&fleet, err);
	if (parts->fleet)
		parts->enrol = sense_enrol_new(&enrol, err);
	if (parts->enrol)
		parts->revocation =
		    sense_revocation_new(&(struct sense_revocation_config){.loop = parts->worker->loop,
		                                                           .db = parts->db,
		                                                           .revoked = parts->worker->revoked,
		                                                           .calls = parts->worker->calls},
		                         err);
	return parts->revocation ? SENSE_OK : err->status;
}

static enum sense_status served_begin(struct parts *parts, sense_error *err)
{
	struct sense_method methods[SENSE_AGENTS_METHODS + 1];
	sense_agents_methods(parts->fleet, methods);
	methods[SENSE_AGENTS_METHODS] =
	    (struct sense_method){SENSE_METHOD_RENEW, sense_enrol_renew, parts->enrol};
	bool taken =
	    sense_httpd_route(parts->worker->http,
	                      &(struct sense_route){"POST", "/v1/enroll", sense_enrol_serve, parts->enrol}) &&
	    sense_httpd_ready_ask(parts->worker->http, database_ready, parts);
	for (unsigned i = 0; taken && i <= SENSE_AGENTS_METHODS; i++)
		taken = sense_calls_method(parts->worker->calls, &methods[i]);
	return taken
	         ? SENSE_OK
	         : sense_fail(err, SENSE_E_LIMIT, "server", "more methods or routes than there is room for");
}

static void on_metrics(struct ev_loop *loop, ev_timer *timer, int events)
{
	struct parts *parts = timer->data;
	(void)loop;
	(void)events;
	sense_serve_metrics_take(parts->ingest, parts->db, &parts->ingest_told, &parts->db_told);
}

/* The reverse of begin: db, ingest and the signer's client answer what is under way to those behind them. */
static void end(void *state)
{
	struct parts *parts = state;
	if (ev_is_active(&parts->metrics_timer)) {
		ev_timer_stop(parts->worker->loop, &parts->metrics_timer);
		sense_serve_metrics_take(parts->ingest, parts->db, &parts->ingest_told, &parts->db_told);
	}
	sense_signer_client_free(parts->signer);
	sense_ingest_free(parts->ingest);
	sense_db_free(parts->db);
	sense_revocation_free(parts->revocation);
	sense_enrol_free(parts->enrol);
	sense_agents_free(parts->fleet);
	free(parts);
}

static enum sense_status begin(void *self, struct sense_server_worker *worker, void **state, sense_error *err)
{
	struct parts *parts = calloc(1, sizeof *parts);
	(void)self;
	if (!parts)
		return sense_fail(err, SENSE_E_MEMORY, "server", "no memory");
	parts->worker = worker;
	enum sense_status status = stores_begin(parts, err);
	if (!status)
		status = fleet_begin(parts, err);
	if (!status)
		status = served_begin(parts, err);
	if (status) {
		end(parts);
		return status;
	}
	ev_timer_init(&parts->metrics_timer, on_metrics, 1, 1);
	parts->metrics_timer.data = parts;
	ev_timer_start(worker->loop, &parts->metrics_timer);
	*state = parts;
	return SENSE_OK;
}

const struct sense_worker_part sense_serve_part = {.name = "fleet", .begin = begin, .end = end};
