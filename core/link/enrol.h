/*
 * Enrolment: from a token (proto/token.h) to an identity. The key is made here; the process that talks to the server
 * (core/link/process.h) gets the request for a certificate and the token, and what it brings back is checked here: the
 * CA by its fingerprint in the token, the certificate by key and CA.
 */
#ifndef SENSE_LINK_ENROL_H
#define SENSE_LINK_ENROL_H

#include "core/link/identity.h"

struct sense_enrol_config {
	const char *plugins_dir, *agent_dir;
	const char *token;  /* its text */
	const char *server; /* URL or HOST[:PORT]: is asked first; NULL: those of the token */
	const char *proxy;
	const char *version;
};

#define SENSE_ENROL_PORT "8443"

/* *out is what was written. SENSE_E_CONFIG: the agent is enrolled already, or the token or the server is none. */
enum sense_status sense_enrol_run(const struct sense_enrol_config *config, struct sense_identity *out,
                                  sense_error *err);

/* https://HOST[:PORT][/], or HOST[:PORT], as HOST:PORT. False: it is none of these. */
bool sense_enrol_server(const char *url, char out[SENSE_IDENTITY_SERVER_MAX]);

#endif
