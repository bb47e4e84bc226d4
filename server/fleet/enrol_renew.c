/* RenewCertificate: the same agent, another certificate; the old one is good until its end. */
#include <stdlib.h>
#include <string.h>

#include "core/base/log.h"
#include "server/fleet/enrol.h"
#include "server/pki/request.h"

#define RETRY_MS 5000u
#define TEXT_OF(number) TEXT(number)
#define TEXT(number) #number
#define RENEW_S TEXT_OF(SENSE_ENROL_RENEW_S)

struct renewal {
	sense_enrol *enrol;
	sense_calls *calls;
	struct sense_call_ref ref;
	struct sense_peer peer;
	uint8_t point[SENSE_KEY_POINT];
	time_t expires;
	size_t len;
	uint8_t certificate[2 * SENSE_CERTIFICATE_MAX]; /* DER */
};

static void refuse(sense_calls *calls, struct sense_call_ref ref, const char *code, const char *why,
                   uint32_t retry)
{
	sense_call_fail(calls, ref,
	                &(struct sense_message_error){.code = code, .message = why, .retry = retry});
}

static void finish(struct renewal *r, const char *code, const char *why, uint32_t retry)
{
	refuse(r->calls, r->ref, code, why, retry);
	r->enrol->under_way--;
	free(r);
}

static void finish_well(struct renewal *r)
{
	uint8_t body[8192], *ca = NULL;
	int ca_len = i2d_X509(r->enrol->config.ca->certificate, &ca);
	struct sense_message_renewed renewed = {.certificate = {r->certificate, r->len},
	                                        .expires = (uint64_t)r->expires * 1000000};
	if (ca_len > 0) {
		renewed.chain_count = 1;
		renewed.chain[0] = (struct sense_message_bytes){ca, (size_t)ca_len};
	}
	struct sense_wire_writer writer = {.data = body, .cap = sizeof body};
	sense_message_put_renewed(&writer, &renewed);
	OPENSSL_free(ca);
	if (writer.full) {
		finish(r, "internal", "the certificate does not fit an answer", 0);
		return;
	}
	sense_call_answer(r->calls, r->ref, body, writer.len);
	r->enrol->under_way--;
	free(r);
}

static void database_failed(struct renewal *r, const struct sense_db_result *result)
{
	if (result->outcome == SENSE_DB_REFUSED) {
		sense_log(SENSE_LOG_ERROR, "fleet", "renewal: the database refuses: %s %s", result->sqlstate,
		          result->message);
		finish(r, "internal", "the certificate could not be written down", 0);
	} else {
		finish(r, "busy", "the database does not answer", RETRY_MS);
	}
}

/* ---- written down, after it is signed ------------------------------------------------------------------ */

static const struct sense_db_statement renew_sql = {
    "renew_certificate",
    "WITH "
    "a AS (UPDATE sense.agents SET renewed = now() "
    "WHERE id = $1 AND org_id = $2 AND revoked_at IS NULL AND (renewed IS NULL "
    "OR renewed <= now() - make_interval(secs => $3::integer)) RETURNING id, org_id), "
    "c AS (INSERT INTO sense.agent_certificates (serial, agent_id, org_id, not_before, not_after) "
    "SELECT $4::bytea, a.id, a.org_id, to_timestamp($5::bigint), to_timestamp($6::bigint) "
    "FROM a) SELECT id FROM a"};

static void on_written(void *self, const struct sense_db_result *result)
{
	struct renewal *r = self;
	if (result->outcome != SENSE_DB_DONE)
		database_failed(r, result);
	else if (!result->rows)
		finish(r, "busy", "another certificate was made for this agent just now",
		       SENSE_ENROL_RENEW_S * 1000);
	else
		finish_well(r);
}

static void on_signed(void *self, const struct sense_signed *result)
{
	struct renewal *r = self;
	struct sense_enrol_certificate made;
	if (result->status == SENSE_E_IO) {
		finish(r, "busy", "the certificate could not be signed now", RETRY_MS);
		return;
	}
	X509 *certificate = NULL;
	if (!result->status && result->len <= sizeof r->certificate)
		certificate = sense_enrol_certificate_read(result->data, result->len, &made);
	if (!certificate) {
		sense_log(SENSE_LOG_ERROR, "fleet", "renewal: the signer: %s",
		          result->message ? result->message : "no certificate");
		finish(r, "internal", "the certificate could not be signed", 0);
		return;
	}
	X509_free(certificate);
	memcpy(r->certificate, result->data, result->len);
	r->len = result->len;
	r->expires = made.expires;
	struct sense_db_param params[] = {
	    SENSE_DB_TEXT(r->peer.agent), SENSE_DB_TEXT(r->peer.org),
	    SENSE_DB_TEXT(RENEW_S),       SENSE_DB_BYTES(made.serial, made.serial_len),
	    SENSE_DB_TEXT(made.begin),    SENSE_DB_TEXT(made.end)};
	if (!sense_db_ask(r->enrol->config.db, r->peer.org, &renew_sql, params,
	                  sizeof params / sizeof *params, on_written, r))
		finish(r, "busy", "too much waits for the database", RETRY_MS);
}

/* ---- may it? ------------------------------------------------------------------------------------------- */

/* The certificate that it came with must be one that is written down for it. */
static const struct sense_db_statement may_sql = {
    "renew_may",
    "SELECT a.revoked_at IS NOT NULL OR c.revoked_at IS NOT NULL, greatest(0, ceil(extract(epoch "
    "FROM a.renewed - now()) + $4::integer)) FROM sense.agents a "
    "JOIN sense.agent_certificates c ON c.org_id = a.org_id AND c.agent_id = a.id AND c.serial = $3 "
    "WHERE a.id = $1 AND a.org_id = $2"};

static void on_may(void *self, const struct sense_db_result *result)
{
	struct renewal *r = self;
	sense_error err;
	if (result->outcome != SENSE_DB_DONE) {
		database_failed(r, result);
		return;
	}
	uint64_t wait = result->rows ? sense_db_uint(result, 0, 1) : 0;
	if (!result->rows)
		finish(r, "denied", "this agent, or its certificate, is not known", 0);
	else if (sense_db_bool(result, 0, 0))
		finish(r, "revoked", "the certificate was revoked", 0);
	else if (wait)
		finish(r, "busy", "a certificate was made for this agent a short time ago",
		       (uint32_t)wait * 1000);
	else if (sense_signer_agent(r->enrol->config.signer, r->peer.org, r->peer.agent, r->point, on_signed,
	                            r, &err))
		finish(r, "busy", "too much waits to be signed", RETRY_MS);
}

void sense_enrol_renew(void *self, sense_calls *calls, struct sense_call_ref ref,
                       const struct sense_peer *peer, const uint8_t *params, size_t len)
{
	sense_enrol *enrol = self;
	sense_error err;
	const char *why;
	struct sense_message_bytes request;
	if (!sense_message_get_renew(params, len, &request, &why)) {
		refuse(calls, ref, "invalid", why, 0);
		return;
	}
	struct renewal *r = enrol->under_way < SENSE_ENROL_UNDER_WAY_MAX ? calloc(1, sizeof *r) : NULL;
	if (!r) {
		refuse(calls, ref, "busy", "too many certificates are being made", RETRY_MS);
		return;
	}
	*r = (struct renewal){.enrol = enrol, .calls = calls, .ref = ref, .peer = *peer};
	enrol->under_way++;
	if (sense_request_read(request.data, request.len, r->point, &err)) {
		finish(r, "invalid", err.message, 0);
		return;
	}
	struct sense_db_param asked[] = {SENSE_DB_TEXT(peer->agent), SENSE_DB_TEXT(peer->org),
	                                 SENSE_DB_BYTES(peer->serial, peer->serial_len),
	                                 SENSE_DB_TEXT(RENEW_S)};
	if (!sense_db_ask(enrol->config.db, peer->org, &may_sql, asked, 4, on_may, r))
		finish(r, "busy", "too much waits for the database", RETRY_MS);
}
