#include "server/net/tls.h"

#include <openssl/err.h>
#include <openssl/x509v3.h>
#include <stdlib.h>
#include <string.h>

#include "proto/rpc.h"

#define PLAIN_ALPN "http/1.1"
#define VERIFY_DEPTH 3

struct sense_server_tls {
	SSL_CTX *agents, *plain;
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

static bool ca_load(SSL_CTX *context, const char *file, sense_error *err)
{
	STACK_OF(X509_NAME) *names = SSL_load_client_CA_file(file);
	if (!names || SSL_CTX_load_verify_locations(context, file, NULL) != 1) {
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
	if (!tls->plain || !ca_load(tls->agents, files->ca, err)) {
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

/* Lower-case hexadecimal in groups of 8-4-4-4-12 (RFC 9562, 4). */
static bool is_uuid(const unsigned char *text, int len)
{
	if (len != 36)
		return false;
	for (int i = 0; i < len; i++) {
		bool dash = i == 8 || i == 13 || i == 18 || i == 23;
		bool digit = (text[i] >= '0' && text[i] <= '9') || (text[i] >= 'a' && text[i] <= 'f');
		if (dash ? text[i] != '-' : !digit)
			return false;
	}
	return true;
}

/* The one value of this part of a name, which must be a UUID. */
static bool part_take(const X509_NAME *name, int nid, char out[37])
{
	int at = X509_NAME_get_index_by_NID(name, nid, -1);
	if (at < 0 || X509_NAME_get_index_by_NID(name, nid, at) >= 0)
		return false;
	const ASN1_STRING *value = X509_NAME_ENTRY_get_data(X509_NAME_get_entry(name, at));
	if (!is_uuid(ASN1_STRING_get0_data(value), ASN1_STRING_length(value)))
		return false;
	memcpy(out, ASN1_STRING_get0_data(value), 36);
	out[36] = '\0';
	return true;
}

static bool serial_take(const X509 *certificate, struct sense_peer *peer)
{
	const ASN1_INTEGER *serial = X509_get0_serialNumber(certificate);
	const uint8_t *bytes = ASN1_STRING_get0_data(serial);
	size_t len = (size_t)ASN1_STRING_length(serial);
	for (; len && !*bytes; bytes++)
		len--;
	if (!len || len > sizeof peer->serial || ASN1_STRING_type(serial) == V_ASN1_NEG_INTEGER)
		return false;
	memcpy(peer->serial, bytes, len);
	peer->serial_len = len;
	return true;
}

bool sense_server_tls_peer(const SSL *ssl, struct sense_peer *peer, const char **why)
{
	memset(peer, 0, sizeof *peer);
	const X509 *certificate = SSL_get0_peer_certificate(ssl);
	*why = NULL;
	if (SSL_version(ssl) < TLS1_3_VERSION || SSL_session_reused(ssl))
		*why = "not a full handshake of TLS 1.3";
	else if (!certificate || SSL_get_verify_result(ssl) != X509_V_OK)
		*why = "no certificate of this server's CA";
	else if (X509_NAME_entry_count(X509_get_subject_name(certificate)) != 2 ||
	         !part_take(X509_get_subject_name(certificate), NID_organizationName, peer->org) ||
	         !part_take(X509_get_subject_name(certificate), NID_commonName, peer->agent))
		*why = "the certificate's subject is not O=<organization>, CN=<agent>";
	else if (!serial_take(certificate, peer))
		*why = "the certificate's serial number is not one that this server gives";
	return !*why;
}
