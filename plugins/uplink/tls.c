/* TLS 1.3 to the server: our CA alone, its name checked, our certificate shown; RFC 8446, ALPN by RFC 7301. */
#include <errno.h>
#include <openssl/bio.h>
#include <openssl/err.h>
#include <openssl/pem.h>
#include <openssl/x509v3.h>
#include <poll.h>

#include "uplink.h"

#define TLS_MS 20000u

/* ---- what is trusted -------------------------------------------------------------------------------- */

static X509 *pem_certificate(const char *pem)
{
	BIO *bio = BIO_new_mem_buf(pem, -1);
	X509 *certificate = bio ? PEM_read_bio_X509(bio, NULL, NULL, NULL) : NULL;
	BIO_free(bio);
	return certificate;
}

static EVP_PKEY *pem_key(const char *pem)
{
	BIO *bio = BIO_new_mem_buf(pem, -1);
	EVP_PKEY *key = bio ? PEM_read_bio_PrivateKey(bio, NULL, NULL, (void *)(uintptr_t) "") : NULL;
	BIO_free(bio);
	return key;
}

static bool identity_use(SSL_CTX *tls, const struct sense_uplink_want *want)
{
	X509 *certificate = pem_certificate(want->certificate), *ca = pem_certificate(want->ca);
	EVP_PKEY *key = pem_key(want->key);
	bool good = certificate && ca && key && SSL_CTX_use_certificate(tls, certificate) == 1 &&
	            SSL_CTX_use_PrivateKey(tls, key) == 1 &&
	            X509_STORE_add_cert(SSL_CTX_get_cert_store(tls), ca) == 1;
	EVP_PKEY_free(key);
	X509_free(ca);
	X509_free(certificate);
	return good;
}

/*
 * Of an enrolment: the chain must hold the CA whose fingerprint the token has, and all else be as usual with that CA
 * as the only one that is trusted.
 */
static X509 *pinned_find(const struct uplink *u, STACK_OF(X509) * chain)
{
	uint8_t digest[32];
	for (int i = 0; i < sk_X509_num(chain); i++) {
		X509 *one = sk_X509_value(chain, i);
		unsigned len = sizeof digest;
		if (X509_digest(one, EVP_sha256(), digest, &len) &&
		    !memcmp(digest, u->fingerprint, sizeof digest))
			return one;
	}
	return NULL;
}

static int pinned_verify(X509_STORE_CTX *store, void *arg)
{
	const struct uplink *u = arg;
	STACK_OF(X509) *chain = X509_STORE_CTX_get0_untrusted(store);
	X509 *ca = pinned_find(u, chain);
	STACK_OF(X509) *trusted = sk_X509_new_null();
	int good = 0;
	if (!ca)
		X509_STORE_CTX_set_error(store, X509_V_ERR_CERT_UNTRUSTED);
	else if (trusted && sk_X509_push(trusted, ca)) {
		X509_STORE_CTX_set0_trusted_stack(store, trusted);
		good = X509_verify_cert(store) == 1;
	}
	sk_X509_free(trusted);
	return good;
}

enum sense_status tls_new(struct uplink *u, const struct sense_uplink_want *want, sense_error *err)
{
	/* Signatures name their digest, and a host may have begun without a table of those names. */
	EVP_add_digest(EVP_sha256());
	EVP_add_digest(EVP_sha384());
	EVP_add_digest(EVP_sha512());
	u->tls = SSL_CTX_new(TLS_client_method());
	if (!u->tls || SSL_CTX_set_min_proto_version(u->tls, TLS1_3_VERSION) != 1)
		return u->host->fail(err, SENSE_E_MEMORY, NAME, "cannot set TLS up");
	SSL_CTX_set_verify(u->tls, SSL_VERIFY_PEER, NULL);
	SSL_CTX_set_options(u->tls, SSL_OP_NO_TICKET | SSL_OP_NO_RENEGOTIATION);
	SSL_CTX_set_session_cache_mode(u->tls, SSL_SESS_CACHE_OFF);
	SSL_CTX_set_mode(u->tls, SSL_MODE_ENABLE_PARTIAL_WRITE | SSL_MODE_ACCEPT_MOVING_WRITE_BUFFER |
	                             SSL_MODE_RELEASE_BUFFERS);
	if (want->enrol)
		SSL_CTX_set_cert_verify_callback(u->tls, pinned_verify, u);
	else if (!want->certificate || !want->key || !want->ca || !identity_use(u->tls, want))
		return u->host->fail(err, SENSE_E_CONFIG, NAME,
		                     "the agent's certificate, its key or the CA cannot be used");
	return SENSE_OK;
}

/* ---- begin ------------------------------------------------------------------------------------------ */

static bool name_set(SSL *ssl, const char *host)
{
	X509_VERIFY_PARAM *param = SSL_get0_param(ssl);
	X509_VERIFY_PARAM_set_hostflags(param, X509_CHECK_FLAG_NO_PARTIAL_WILDCARDS);
	if (X509_VERIFY_PARAM_set1_ip_asc(param, host) == 1)
		return true;
	return SSL_set1_host(ssl, host) == 1 && SSL_set_tlsext_host_name(ssl, host) == 1;
}

bool tls_begin(struct uplink *u)
{
	static const unsigned char session[] = "\x07" SENSE_RPC_ALPN, http[] = "\x08http/1.1";
	const unsigned char *protocol = u->enrolling ? http : session;
	u->phase = PHASE_TLS;
	u->deadline = u->now + TLS_MS;
	u->ssl = SSL_new(u->tls);
	if (!u->ssl || SSL_set_fd(u->ssl, u->socket) != 1 || !name_set(u->ssl, u->servers[u->at].host) ||
	    SSL_set_alpn_protos(u->ssl, protocol, (unsigned)protocol[0] + 1))
		return false;
	SSL_set_connect_state(u->ssl);
	return true;
}

/* ---- what went wrong -------------------------------------------------------------------------------- */

static const char *verify_text(long code)
{
	switch (code) {
	case X509_V_ERR_CERT_NOT_YET_VALID:
		return "its certificate is not valid yet: compare this host's clock with the server's";
	case X509_V_ERR_CERT_HAS_EXPIRED:
		return "its certificate has expired, or this host's clock is wrong";
	case X509_V_ERR_HOSTNAME_MISMATCH:
	case X509_V_ERR_IP_ADDRESS_MISMATCH:
		return "its certificate is for another name: use a name that the server's certificate has";
	case X509_V_ERR_CERT_UNTRUSTED:
	case X509_V_ERR_UNABLE_TO_GET_ISSUER_CERT:
	case X509_V_ERR_UNABLE_TO_GET_ISSUER_CERT_LOCALLY:
	case X509_V_ERR_UNABLE_TO_VERIFY_LEAF_SIGNATURE:
	case X509_V_ERR_SELF_SIGNED_CERT_IN_CHAIN:
	case X509_V_ERR_DEPTH_ZERO_SELF_SIGNED_CERT:
	case X509_V_ERR_CERT_SIGNATURE_FAILURE:
		return "its certificate is not of this fleet's CA: it is another server, or somebody is between";
	default:
		return X509_verify_cert_error_string(code);
	}
}

/* Alerts that a server which does not want this agent sends. */
static const char *alert_text(int reason)
{
	switch (reason) {
	case SSL_R_SSLV3_ALERT_CERTIFICATE_REVOKED:
		return "the server has revoked this agent's certificate";
	case SSL_R_SSLV3_ALERT_CERTIFICATE_EXPIRED:
		return "this agent's certificate has expired: enrol again";
	case SSL_R_TLSV1_ALERT_UNKNOWN_CA:
	case SSL_R_SSLV3_ALERT_BAD_CERTIFICATE:
	case SSL_R_SSLV3_ALERT_CERTIFICATE_UNKNOWN:
	case SSL_R_TLSV1_ALERT_ACCESS_DENIED:
	case SSL_R_TLSV13_ALERT_CERTIFICATE_REQUIRED:
		return "the server does not accept this agent's certificate";
	case SSL_R_TLSV1_ALERT_NO_APPLICATION_PROTOCOL:
		return "the server does not speak " SENSE_RPC_ALPN;
	default:
		return NULL;
	}
}

/* The stream is at its end. */
static void failed(struct uplink *u, int error, const char *when)
{
	unsigned long code = ERR_peek_error();
	const char *alert =
	    code && ERR_GET_LIB(code) == ERR_LIB_SSL ? alert_text(ERR_GET_REASON(code)) : NULL;
	long verify = u->ssl ? SSL_get_verify_result(u->ssl) : X509_V_OK;
	const char *reason = code ? ERR_reason_error_string(code) : NULL;
	bool ends = error == SSL_ERROR_ZERO_RETURN || !code ||
	            ERR_GET_REASON(code) == SSL_R_UNEXPECTED_EOF_WHILE_READING;
	if (alert)
		lost(u, true, "%s", alert);
	else if (!SSL_is_init_finished(u->ssl) && verify != X509_V_OK)
		lost(u, true, "%s", verify_text(verify));
	else if (ends && u->phase == PHASE_REGISTER)
		lost(u, false, "the server hung up on this agent: look whether it is revoked there");
	else if (ends)
		lost(u, false, "the connection ended%s", when);
	else
		lost(u, false, "TLS%s: %s", when, reason ? reason : "it failed");
	ERR_clear_error();
}

/* What is awaited. False: the stream is at its end, and lost. */
static bool waits(struct uplink *u, int result, const char *when)
{
	int error = SSL_get_error(u->ssl, result);
	if (error == SSL_ERROR_WANT_READ)
		return true;
	if (error == SSL_ERROR_WANT_WRITE) {
		u->events = POLLOUT;
		return true;
	}
	failed(u, error, when);
	return false;
}

/* ---- the stream ------------------------------------------------------------------------------------- */

static bool protocol_good(const struct uplink *u)
{
	const unsigned char *protocol;
	unsigned len;
	SSL_get0_alpn_selected(u->ssl, &protocol, &len);
	return u->enrolling || (len == strlen(SENSE_RPC_ALPN) && !memcmp(protocol, SENSE_RPC_ALPN, len));
}

void tls_handshake(struct uplink *u)
{
	ERR_clear_error();
	u->events = 0;
	int result = SSL_do_handshake(u->ssl);
	if (result != 1) {
		waits(u, result, " during the handshake");
		return;
	}
	if (!protocol_good(u))
		lost(u, true, "the server does not speak " SENSE_RPC_ALPN);
	else if (u->enrolling)
		enrol_begin(u);
	else
		session_begin(u);
}

int tls_read(struct uplink *u, void *data, size_t cap)
{
	ERR_clear_error();
	int got = SSL_read(u->ssl, data, cap < 65536 ? (int)cap : 65536);
	if (got > 0)
		return got;
	return waits(u, got, "") ? 0 : -1;
}

void tls_write(struct uplink *u)
{
	u->events = 0;
	while (u->out_at < u->out.len) {
		size_t left = u->out.len - u->out_at;
		ERR_clear_error();
		int put = SSL_write(u->ssl, u->out.data + u->out_at, left < 65536 ? (int)left : 65536);
		if (put <= 0) {
			waits(u, put, "");
			return;
		}
		u->out_at += (size_t)put;
	}
	bytes_clear(&u->out);
	u->out_at = 0;
}
