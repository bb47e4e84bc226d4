#include "server/fleet/enrol.h"

#include <arpa/inet.h>
#include <jansson.h>
#include <openssl/crypto.h>
#include <openssl/pem.h>
#include <openssl/sha.h>
#include <stdlib.h>
#include <string.h>

#include "core/base/log.h"
#include "proto/hex.h"
#include "proto/token.h"
#include "server/pki/request.h"
#include "server/pki/signer_wire.h"

#define HOST_MAX 255u
#define VERSION_MAX 64u
#define RETRY_S 5u

/* One enrolment, from its request to its answer. */
struct enrolment {
	sense_enrol *enrol;
	sense_enrol_done *done;
	void *self;
	char token[SENSE_UUID_TEXT], org[SENSE_UUID_TEXT], agent[SENSE_UUID_TEXT];
	uint8_t hash[SHA256_DIGEST_LENGTH]; /* of the secret that was shown */
	uint8_t point[SENSE_KEY_POINT];
	char host[HOST_MAX + 1], version[VERSION_MAX + 1], address[48];
	X509 *certificate;
};

/* ---- answers ------------------------------------------------------------------------------------------ */

static void answer_json(sense_enrol_done *done, void *self, unsigned status, const char *type, json_t *json,
                        unsigned retry)
{
	char *text = json ? json_dumps(json, JSON_COMPACT) : NULL;
	struct sense_enrol_answer answer = {.status = text ? status : 500, .type = type, .retry = retry};
	answer.body = text ? text : "";
	answer.len = strlen(answer.body);
	json_decref(json);
	done(self, &answer);
	free(text);
}

/* code: a stable word for programs. */
static void problem(sense_enrol_done *done, void *self, unsigned status, const char *code, const char *detail)
{
	const char *title = sense_httpd_status_name(status);
	json_t *json = json_pack("{s:s, s:s, s:i, s:s, s:s}", "type", "about:blank", "title", title, "status",
	                         (int)status, "detail", detail, "code", code);
	answer_json(done, self, status, "application/problem+json", json, status == 503 ? RETRY_S : 0);
}

static void finish(struct enrolment *e, unsigned status, const char *code, const char *detail)
{
	sense_enrol_done *done = e->done;
	void *self = e->self;
	e->enrol->under_way--;
	X509_free(e->certificate);
	free(e);
	problem(done, self, status, code, detail);
}

static json_t *certificate_json(X509 *certificate)
{
	char *text;
	json_t *json = NULL;
	BIO *out = BIO_new(BIO_s_mem());
	if (out && PEM_write_bio_X509(out, certificate) == 1) {
		long len = BIO_get_mem_data(out, &text);
		json = json_stringn(text, (size_t)len);
	}
	BIO_free(out);
	return json;
}

static void finish_well(struct enrolment *e)
{
	char key[65];
	const struct sense_enrol_config *config = &e->enrol->config;
	sense_hex_text(config->ca->policy_key, sizeof config->ca->policy_key, key);
	json_t *servers = json_array();
	for (unsigned i = 0; i < config->server_count; i++)
		json_array_append_new(servers, json_string(config->servers[i]));
	json_t *json = json_pack("{s:o, s:s, s:s, s:s, s:s, s:o}", "certificate",
	                         certificate_json(e->certificate), "ca", config->ca->pem, "agent", e->agent,
	                         "organization", e->org, "policy_key", key, "servers", servers);
	sense_log(SENSE_LOG_INFO, "fleet", "agent %s enrolled into %s: %s, %s", e->agent, e->org, e->host,
	          e->address);
	sense_enrol_done *done = e->done;
	void *self = e->self;
	e->enrol->under_way--;
	X509_free(e->certificate);
	free(e);
	answer_json(done, self, 200, "application/json", json, 0);
}

/* ---- what the database and the signer say -------------------------------------------------------------- */

static void database_failed(struct enrolment *e, const struct sense_db_result *result)
{
	if (result->outcome == SENSE_DB_REFUSED)
		sense_log(SENSE_LOG_ERROR, "fleet", "enrolment: the database refuses: %s %s",
		          result->sqlstate, result->message);
	if (result->outcome == SENSE_DB_REFUSED)
		finish(e, 500, "internal", "The server could not write the enrolment down.");
	else
		finish(e, 503, "busy",
		       "The database does not answer. Nothing was enrolled that could be used: try again.");
}

static const struct sense_db_statement join_sql = {
    "enrol_join",
    "WITH "
    "t AS (UPDATE sense.enrolment_tokens SET uses_left = uses_left - 1 "
    "WHERE id = $1 AND org_id = $2 AND secret_hash = $3 AND uses_left > 0 AND expires_at > now() "
    "AND revoked_at IS NULL RETURNING id, org_id, groups, labels), "
    "a AS (INSERT INTO sense.agents (id, org_id, host, version, address, labels) "
    "SELECT $4::uuid, t.org_id, $5::text, $6::text, $7::inet, t.labels FROM t RETURNING id, org_id), "
    "c AS (INSERT INTO sense.agent_certificates (serial, agent_id, org_id, not_before, not_after) "
    "SELECT $8::bytea, a.id, a.org_id, to_timestamp($9::bigint), to_timestamp($10::bigint) "
    "FROM a), "
    "m AS (INSERT INTO sense.agent_group_members (org_id, group_id, agent_id) "
    "SELECT t.org_id, g.id, $4::uuid FROM t "
    "JOIN sense.agent_groups g ON g.org_id = t.org_id AND g.id = ANY (t.groups)), "
    "l AS (INSERT INTO sense.audit_log (org_id, actor, action, target, details) "
    "SELECT t.org_id, 'token ' || t.id, 'agent.enrol', $4::uuid::text, jsonb_build_object('host', "
    "$5::text, 'address', $7::text) FROM t) SELECT id FROM a"};

static void on_joined(void *self, const struct sense_db_result *result)
{
	struct enrolment *e = self;
	if (result->outcome != SENSE_DB_DONE)
		database_failed(e, result);
	else if (!result->rows)
		finish(e, 403, "token_spent", "The token was used up, ended or was revoked just now.");
	else
		finish_well(e);
}

static void on_signed(void *self, const struct sense_signed *result)
{
	struct enrolment *e = self;
	struct sense_enrol_certificate made;
	if (result->status == SENSE_E_IO) {
		finish(e, 503, "busy",
		       "The certificate could not be signed now. The token was not used: try again.");
		return;
	}
	if (!result->status)
		e->certificate = sense_enrol_certificate_read(result->data, result->len, &made);
	if (!e->certificate) {
		sense_log(SENSE_LOG_ERROR, "fleet", "enrolment: the signer: %s",
		          result->message ? result->message : "no certificate");
		finish(e, 500, "internal", "The certificate could not be signed. The token was not used.");
		return;
	}
	struct sense_db_param params[] = {SENSE_DB_TEXT(e->token),
	                                  SENSE_DB_TEXT(e->org),
	                                  SENSE_DB_BYTES(e->hash, sizeof e->hash),
	                                  SENSE_DB_TEXT(e->agent),
	                                  SENSE_DB_TEXT(e->host),
	                                  SENSE_DB_TEXT(e->version),
	                                  SENSE_DB_TEXT(*e->address ? e->address : NULL),
	                                  SENSE_DB_BYTES(made.serial, made.serial_len),
	                                  SENSE_DB_TEXT(made.begin),
	                                  SENSE_DB_TEXT(made.end)};
	if (!sense_db_ask(e->enrol->config.db, e->org, &join_sql, params, sizeof params / sizeof *params,
	                  on_joined, e))
		finish(e, 503, "busy", "Too much waits for the database. The token was not used: try again.");
}

static const struct sense_db_statement token_sql = {
    "enrol_token",
    "SELECT org_id, secret_hash, revoked_at IS NOT NULL, expires_at <= now(), uses_left <= 0 "
    "FROM sense.enrolment_tokens WHERE id = $1"};

/* Who does not know the secret learns nothing about the token. */
static void on_token(void *self, const struct sense_db_result *result)
{
	struct enrolment *e = self;
	sense_error err;
	uint8_t hash[SHA256_DIGEST_LENGTH] = {0};
	if (result->outcome != SENSE_DB_DONE) {
		database_failed(e, result);
		return;
	}
	bool known = result->rows == 1 && sense_db_bytes(result, 0, 1, hash, sizeof hash) == sizeof hash;
	bool right = !CRYPTO_memcmp(hash, e->hash, sizeof hash);
	if (!known || !right) {
		finish(e, 401, "token_unknown", "There is no such token.");
	} else if (sense_db_bool(result, 0, 2)) {
		finish(e, 403, "token_revoked", "The token was revoked.");
	} else if (sense_db_bool(result, 0, 3)) {
		finish(e, 403, "token_expired", "The token's time is over.");
	} else if (sense_db_bool(result, 0, 4)) {
		finish(e, 403, "token_spent", "The token was used as often as it may be.");
	} else {
		snprintf(e->org, sizeof e->org, "%s", sense_db_value(result, 0, 0));
		if (sense_signer_agent(e->enrol->config.signer, e->org, e->agent, e->point, on_signed, e,
		                       &err))
			finish(e, 503, "busy",
			       "Too much waits to be signed. The token was not used: try again.");
	}
}

/* ---- what was asked ------------------------------------------------------------------------------------ */

/* Id and secret, as hexadecimal digits. */
static bool token_take(struct enrolment *e, const char *text)
{
	uint8_t bytes[SENSE_TOKEN_ID + SENSE_TOKEN_SECRET];
	if (strlen(text) != 2 * sizeof bytes || !sense_hex_bytes(text, bytes, sizeof bytes))
		return false;
	sense_uuid_text(bytes, e->token);
	SHA256(bytes + SENSE_TOKEN_ID, SENSE_TOKEN_SECRET, e->hash);
	OPENSSL_cleanse(bytes, sizeof bytes);
	return true;
}

/* Printable, and short enough. */
static bool text_take(char *out, size_t max, const char *text)
{
	size_t len = strlen(text);
	if (!len || len > max)
		return false;
	for (size_t i = 0; i < len; i++)
		if ((unsigned char)text[i] < 0x20 || text[i] == 0x7f)
			return false;
	memcpy(out, text, len + 1);
	return true;
}

/* NULL: all is there; else what is wrong. */
static const char *request_take(struct enrolment *e, json_t *json, sense_error *err)
{
	const char *token = json_string_value(json_object_get(json, "token"));
	const char *csr = json_string_value(json_object_get(json, "csr"));
	const char *host = json_string_value(json_object_get(json, "host"));
	const char *version = json_string_value(json_object_get(json, "version"));
	if (!token || !token_take(e, token))
		return "token: 64 hexadecimal digits are needed, id and secret";
	if (!host || !text_take(e->host, HOST_MAX, host))
		return "host: a name of 1 to 255 bytes is needed";
	if (!version || !text_take(e->version, VERSION_MAX, version))
		return "version: a text of 1 to 64 bytes is needed";
	if (!csr)
		return "csr: a certificate request (PKCS#10, PEM) is needed";
	if (sense_request_read((const uint8_t *)csr, strlen(csr), e->point, err))
		return err->message;
	return NULL;
}

void sense_enrol_ask(sense_enrol *enrol, const void *body, size_t len, const char *address,
                     sense_enrol_done *done, void *self)
{
	sense_error err;
	uint8_t binary[16];
	if (len > SENSE_ENROL_BODY_MAX) {
		problem(done, self, 413, "too_large", "An enrolment has at most 16 KiB.");
		return;
	}
	struct enrolment *e = enrol->under_way < SENSE_ENROL_UNDER_WAY_MAX ? calloc(1, sizeof *e) : NULL;
	if (!e) {
		problem(done, self, 503, "busy", "Too many enrol at this moment: try again.");
		return;
	}
	*e = (struct enrolment){.enrol = enrol, .done = done, .self = self};
	if (inet_pton(AF_INET, address, binary) == 1 || inet_pton(AF_INET6, address, binary) == 1)
		snprintf(e->address, sizeof e->address, "%s", address);
	enrol->under_way++;
	json_t *json = json_loadb(body, len, JSON_REJECT_DUPLICATES, NULL);
	const char *why =
	    json_is_object(json) ? request_take(e, json, &err) : "the body is not a JSON object";
	struct sense_db_param id = SENSE_DB_TEXT(e->token);
	if (why)
		finish(e, 400, "invalid", why);
	else if (!sense_uuid_make(e->agent))
		finish(e, 500, "internal", "There is no randomness for an agent's number.");
	else if (!sense_db_ask(enrol->config.db, NULL, &token_sql, &id, 1, on_token, e))
		finish(e, 503, "busy", "Too much waits for the database: try again.");
	json_decref(json);
}

/* ---- its life ------------------------------------------------------------------------------------------ */

X509 *sense_enrol_certificate_read(const uint8_t *der, size_t len, struct sense_enrol_certificate *out)
{
	const unsigned char *at = der;
	struct tm begin;
	X509 *certificate = d2i_X509(NULL, &at, (long)len);
	if (certificate && at == der + len && ASN1_TIME_to_tm(X509_get0_notBefore(certificate), &begin)) {
		out->serial_len = sense_certificate_serial(certificate, out->serial);
		out->expires = sense_certificate_end(certificate);
		snprintf(out->begin, sizeof out->begin, "%lld", (long long)timegm(&begin));
		snprintf(out->end, sizeof out->end, "%lld", (long long)out->expires);
		if (out->serial_len && out->expires)
			return certificate;
	}
	X509_free(certificate);
	return NULL;
}

sense_enrol *sense_enrol_new(const struct sense_enrol_config *config, sense_error *err)
{
	sense_enrol *enrol = calloc(1, sizeof *enrol);
	if (enrol)
		enrol->config = *config;
	else
		sense_fail(err, SENSE_E_MEMORY, "fleet", "no memory for enrolments");
	return enrol;
}

void sense_enrol_free(sense_enrol *enrol)
{
	free(enrol);
}
