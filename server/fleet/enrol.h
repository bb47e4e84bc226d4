/*
 * How an agent joins a fleet, and how it goes on being in it: enrolment by a token (POST /v1/enroll) and
 * RenewCertificate. Knows no transport; asks the database and the signer, and waits for neither.
 *
 * A token is compared without telling by time how much of it was right. Of a token's uses one is taken in the
 * very transaction that makes the agent and its certificate, after that is signed: whatever fails before
 * takes none, and of many that come at once no more are let in than it has uses. A certificate that is not in
 * the database is given to nobody.
 *
 * One thread, one of these a worker. It must outlive the database's connections and the signer's client,
 * which answer what is under way when they end.
 */
#ifndef SENSE_SERVER_FLEET_ENROL_H
#define SENSE_SERVER_FLEET_ENROL_H

#include "server/http/http.h"
#include "server/pki/ca.h"
#include "server/pki/signer_client.h"
#include "server/rpc/call.h"
#include "server/store/db.h"

#define SENSE_ENROL_BODY_MAX ((size_t)16 << 10)
#define SENSE_ENROL_UNDER_WAY_MAX 256u
#define SENSE_ENROL_RENEW_S 600 /* an agent may have one certificate in that time */

struct sense_enrol_config { /* all borrowed */
	sense_db *db;
	sense_signer_client *signer;
	const struct sense_ca_public *ca;
	const char *const
	    *servers; /* host:port, what agents are told to connect to; none: as their token says */
	unsigned server_count;
};

typedef struct sense_enrol sense_enrol;

sense_enrol *sense_enrol_new(const struct sense_enrol_config *config, sense_error *err);
void sense_enrol_free(sense_enrol *enrol);

/* Good during the callback. */
struct sense_enrol_answer {
	unsigned status;  /* of HTTP (RFC 9110, 15) */
	const char *type; /* application/json, or application/problem+json (RFC 9457) */
	const char *body;
	size_t len;
	unsigned retry; /* seconds after which to try again; 0: not said */
};

typedef void sense_enrol_done(void *self, const struct sense_enrol_answer *answer);

/* body: JSON (docs/fleet.md). address: who asks, "": not known. `done` may be called from within. */
void sense_enrol_ask(sense_enrol *enrol, const void *body, size_t len, const char *address,
                     sense_enrol_done *done, void *self);

/* Serves POST /v1/enroll; self is a sense_enrol. */
sense_httpd_serve sense_enrol_serve;
/* Serves RenewCertificate; self is a sense_enrol. */
sense_method_serve sense_enrol_renew;

/* ---- between enrol.c and renew.c ----------------------------------------------------------------------- */

/* What is written down of a certificate. */
struct sense_enrol_certificate {
	uint8_t serial[SENSE_CERTIFICATE_SERIAL];
	size_t serial_len;
	char begin[24], end[24]; /* seconds since the epoch, as text */
	time_t expires;
};

struct sense_enrol {
	struct sense_enrol_config config;
	unsigned under_way;
};

/* Reads a certificate that the signer made. NULL: it is none; X509_free. */
X509 *sense_enrol_certificate_read(const uint8_t *der, size_t len, struct sense_enrol_certificate *out);

#endif
