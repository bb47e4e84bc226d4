#include "server/net/tls.h"

#include <openssl/err.h>
#include <openssl/pem.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "proto/rpc.h"
#include "server/pki/peer.h"

#define PLAIN_ALPN "http/1.1"
#define VERIFY_DEPTH 3

struct sense_server_tls {
	SSL_CTX *agents, *plain;
	X509 *ca;
};

static enum sense_status openssl_fail(sense_error *err, const char *file, const char *what)
{
	unsigned long code = ERR_peek_last_error();
	const char *reason = code ? ERR_reason_error_string(code) : NULL;
	enum sense_status status = sense_fail(err, SENSE_E_CONFIG, "tls", "%s: %s%s%s", file, what,
	                                      reason ? ": " : "", reason ? reason : "");
	ERR_clear_error();
	return status;
}

/* ---- what is spoken --------------------------------------------------------------------------------- */

/* The list of a ClientHello's extension (RFC 7301, 3.1). Whether it names this protocol. */
static bool alpn_has(const uint8_t *list, size_t len, const char *name)
{
	size_t name_len = strlen(name);
	for (size_t at = 0; at < len; at += list[at] + 1u)
		if (list[at] == name_len && at + 1 + name_len <= len &&
		    !memcmp(list + at + 1, name, name_len))
			return true;
	return false;
}

static int alpn_select(SSL *ssl, const unsigned char **out, unsigned char *out_len, const unsigned char *in,
                       unsigned int in_len, void *arg)
{
	const char *name = arg;
	(void)ssl;
	if (!alpn_has(in, in_len, name))
		return SSL_TLSEXT_ERR_ALERT_FATAL; /* no_application_protocol */
	*out = (const unsigned char *)name;
	*out_len = (unsigned char)strlen(name);
	return SSL_TLSEXT_ERR_OK;
}

/* The rules of agents, before anything of this handshake is decided. */
static int hello_look(SSL *ssl, int *alert, void *arg)
{
	sense_server_tls *tls = arg;
	const unsigned char *data;
	size_t len;
	(void)alert;
	if (!SSL_client_hello_get0_ext(ssl, TLSEXT_TYPE_application_layer_protocol_negotiation, &data,
	                               &len) ||
	    len < 2 || !alpn_has(data + 2, len - 2, SENSE_RPC_ALPN))
		return SSL_CLIENT_HELLO_SUCCESS;
	/* The context gives the certificates and the ALPN; what a connection copied from its first it is told
	 * again. */
	if (!SSL_set_SSL_CTX(ssl, tls->agents) || !SSL_set_min_proto_version(ssl, TLS1_3_VERSION) ||
	    !SSL_set_session_id_context(ssl, (const unsigned char *)SENSE_RPC_ALPN, strlen(SENSE_RPC_ALPN)))
		return SSL_CLIENT_HELLO_ERROR;
	SSL_set_verify(ssl, SSL_VERIFY_PEER | SSL_VERIFY_FAIL_IF_NO_PEER_CERT, NULL);
	SSL_set_verify_depth(ssl, VERIFY_DEPTH);
	return SSL_CLIENT_HELLO_SUCCESS;
}

/* ---- contexts --------------------------------------------------------------------------------------- */

/* A key with a passphrase would ask at a terminal that no service has. */
static int passphrase_none(char *out, int cap, int writing, void *arg)
{
	(void)out, (void)cap, (void)writing, (void)arg;
	return -1;
}

static SSL_CTX *context_new(const struct sense_server_tls_files *files, const char *alpn, sense_error *err)
{
	SSL_CTX *context = SSL_CTX_new(TLS_server_method());
	if (!context) {
		sense_fail(err, SENSE_E_MEMORY, "tls", "no memory for TLS");
		return NULL;
	}
	SSL_CTX_set_min_proto_version(context, TLS1_2_VERSION);
	SSL_CTX_set_options(context, SSL_OP_NO_TICKET | SSL_OP_NO_RENEGOTIATION | SSL_OP_NO_COMPRESSION |
	                                 SSL_OP_CIPHER_SERVER_PREFERENCE);
	SSL_CTX_set_num_tickets(context, 0);
	SSL_CTX_set_session_cache_mode(context, SSL_SESS_CACHE_OFF);
	SSL_CTX_set_mode(context, SSL_MODE_RELEASE_BUFFERS | SSL_MODE_ENABLE_PARTIAL_WRITE |
	                              SSL_MODE_ACCEPT_MOVING_WRITE_BUFFER);
	SSL_CTX_set_default_passwd_cb(context, passphrase_none);
	/* ECDHE with an AEAD alone, of TLS 1.2's. */
	SSL_CTX_set_cipher_list(context, "ECDHE+AESGCM:ECDHE+CHACHA20");
	SSL_CTX_set_session_id_context(context, (const unsigned char *)alpn, (unsigned)strlen(alpn));
	SSL_CTX_set_alpn_select_cb(context, alpn_select, (void *)(uintptr_t)alpn);
	enum sense_status status = SENSE_OK;
	if (SSL_CTX_use_certificate_chain_file(context, files->certificate) != 1)
		status = openssl_fail(err, files->certificate,
		                      "no certificate of the server (`sense-server ca` makes one)");
	else if (SSL_CTX_use_PrivateKey_file(context, files->key, SSL_FILETYPE_PEM) != 1)
		status = openssl_fail(err, files->key, "no key of the server's certificate");
	else if (SSL_CTX_check_private_key(context) != 1)
		status = openssl_fail(err, files->key, "is not the key of the server's certificate");
	if (!status)
		return context;
	SSL_CTX_free(context);
	return NULL;
}

static bool ca_load(sense_server_tls *tls, SSL_CTX *context, const char *file, sense_error *err)
{
	STACK_OF(X509_NAME) *names = SSL_load_client_CA_file(file);
	BIO *in = BIO_new_file(file, "r");
	tls->ca = in ? PEM_read_bio_X509(in, NULL, passphrase_none, NULL) : NULL;
	BIO_free(in);
	if (!names || !tls->ca || SSL_CTX_load_verify_locations(context, file, NULL) != 1) {
		sk_X509_NAME_pop_free(names, X509_NAME_free);
		openssl_fail(err, file, "no certificate of the CA (`sense-server ca` makes one)");
		return false;
	}
	SSL_CTX_set_client_CA_list(context, names); /* takes it */
	return true;
}

sense_server_tls *sense_server_tls_new(const struct sense_server_tls_files *files, sense_error *err)
{
	sense_server_tls *tls = calloc(1, sizeof *tls);
	if (!tls) {
		sense_fail(err, SENSE_E_MEMORY, "tls", "no memory for TLS");
		return NULL;
	}
	ERR_clear_error();
	tls->agents = context_new(files, SENSE_RPC_ALPN, err);
	tls->plain = tls->agents ? context_new(files, PLAIN_ALPN, err) : NULL;
	if (!tls->plain || !ca_load(tls, tls->agents, files->ca, err)) {
		sense_server_tls_free(tls);
		return NULL;
	}
	SSL_CTX_set_min_proto_version(tls->agents, TLS1_3_VERSION);
	SSL_CTX_set_verify(tls->agents, SSL_VERIFY_PEER | SSL_VERIFY_FAIL_IF_NO_PEER_CERT, NULL);
	SSL_CTX_set_verify_depth(tls->agents, VERIFY_DEPTH);
	SSL_CTX_set_client_hello_cb(tls->plain, hello_look, tls);
	return tls;
}

void sense_server_tls_free(sense_server_tls *tls)
{
	if (!tls)
		return;
	SSL_CTX_free(tls->agents);
	SSL_CTX_free(tls->plain);
	X509_free(tls->ca);
	free(tls);
}

SSL *sense_server_tls_accept(sense_server_tls *tls, int fd)
{
	SSL *ssl = SSL_new(tls->plain);
	if (ssl && SSL_set_fd(ssl, fd) == 1) {
		SSL_set_accept_state(ssl);
		return ssl;
	}
	SSL_free(ssl);
	ERR_clear_error();
	return NULL;
}

/* ---- who it is -------------------------------------------------------------------------------------- */

bool sense_server_tls_is_agent(const SSL *ssl)
{
	const unsigned char *name;
	unsigned len;
	SSL_get0_alpn_selected(ssl, &name, &len);
	return len == strlen(SENSE_RPC_ALPN) && !memcmp(name, SENSE_RPC_ALPN, len);
}

enum sense_status sense_server_tls_peer(const sense_server_tls *tls, const SSL *ssl, struct sense_peer *peer,
                                        sense_error *err)
{
	if (SSL_version(ssl) < TLS1_3_VERSION || SSL_session_reused(ssl))
		return sense_fail(err, SENSE_E_FORMAT, "tls", "not a full handshake of TLS 1.3");
	if (SSL_get_verify_result(ssl) != X509_V_OK)
		return sense_fail(err, SENSE_E_FORMAT, "tls", "no certificate of this server's CA");
	return sense_pki_peer(tls->ca, SSL_get0_peer_certificate(ssl), time(NULL), peer, err);
}
