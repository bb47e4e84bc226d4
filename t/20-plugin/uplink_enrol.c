/*
 * Enrolment: by a token, with servers that are good, wrong, or say no. With `serve` this program is a good one for
 * t/50-agent/link.t.
 */
#include "core/link/enrol.h"
#include "proto/token.h"
#include "t/20-plugin/uplink_relay.h"

static struct authority ca, other;
static char dir[64];

enum way {
	WAY_GOOD,
	WAY_PROBLEM,
	WAY_HTML,
	WAY_OTHER_CA,
	WAY_OTHER_KEY,
	WAY_SHORT,
	WAY_NUL,
	WAY_CUT,
	WAY_LONG
};
static _Atomic int *way;
static char *asked; /* the latest request */

/* ---- a server of HTTPS --------------------------------------------------------------------------------- */

/* A PEM as it stands in JSON, and back. */
static void pem_escape(const char *pem, char *out)
{
	for (; *pem; pem++) {
		if (*pem == '\n')
			*out++ = '\\';
		*out++ = *pem == '\n' ? 'n' : *pem;
	}
	*out = '\0';
}

static EVP_PKEY *request_key(const char *body)
{
	char pem[SENSE_IDENTITY_PEM_MAX];
	size_t len = 0;
	const char *at = strstr(body, "\"csr\":\"");
	if (!at)
		return NULL;
	for (at += 7; *at && *at != '"' && len < sizeof pem - 1; at++) {
		bool newline = at[0] == '\\' && at[1] == 'n';
		at += at[0] == '\\';
		pem[len++] = newline ? '\n' : *at;
	}
	pem[len] = '\0';
	BIO *bio = BIO_new_mem_buf(pem, -1);
	X509_REQ *request = PEM_read_bio_X509_REQ(bio, NULL, NULL, NULL);
	EVP_PKEY *key = request && X509_REQ_verify(request, X509_REQ_get0_pubkey(request)) == 1
	                  ? X509_REQ_get_pubkey(request)
	                  : NULL;
	X509_REQ_free(request);
	BIO_free(bio);
	return key;
}

static void answer_good(const char *body, char *out, size_t cap)
{
	char certificate[SENSE_IDENTITY_PEM_MAX], ca_pem[SENSE_IDENTITY_PEM_MAX],
	    escaped[2][2 * SENSE_IDENTITY_PEM_MAX];
	EVP_PKEY *key = *way == WAY_OTHER_KEY ? EVP_EC_gen("P-256") : request_key(body);
	const struct authority *by = *way == WAY_OTHER_CA ? &other : &ca;
	if (!key)
		_exit(1);
	X509 *made = certificate_make(key, AGENT, by, NULL, -60, 86400 * 90);
	pem_of(made, certificate);
	pem_of(by->certificate, ca_pem);
	pem_escape(certificate, escaped[0]);
	pem_escape(ca_pem, escaped[1]);
	snprintf(out, cap,
	         "{\"certificate\":\"%s\",\"ca\":\"%s\",\"agent\":\"" AGENT
	         "\",\"organization\":\"" ORGANIZATION
	         "\",\"policy_key\":\"%064d\",\"servers\":[\"one.example:8443\",\"two.example:8443\"]}",
	         escaped[0], escaped[1], 7);
	if (*way == WAY_SHORT)
		snprintf(out, cap, "{\"certificate\":\"%s\"}", escaped[0]);
	if (*way == WAY_NUL)
		snprintf(out, cap, "{\"certificate\":\"a\\u0000b\",\"ca\":1}");
}

static void https(SSL *ssl)
{
	static char body[65536], head[512];
	size_t len = 0;
	for (int got; len < 65535 && (got = SSL_read(ssl, asked + len, (int)(65535 - len))) > 0;) {
		len += (size_t)got;
		asked[len] = '\0';
		const char *end = strstr(asked, "\r\n\r\n"), *length = strstr(asked, "Content-Length: ");
		if (end && length && strlen(end + 4) >= strtoul(length + 16, NULL, 10))
			break;
	}
	unsigned status = 200;
	answer_good(asked, body, sizeof body);
	if (*way == WAY_PROBLEM)
		snprintf(body, sizeof body,
		         "{\"title\":\"Forbidden\",\"detail\":\"The token has expired.\\u001b[31m\"}");
	if (*way == WAY_HTML)
		snprintf(body, sizeof body, "<html>It works!</html>");
	status = *way == WAY_PROBLEM ? 403 : 200;
	if (*way == WAY_LONG) {
		memset(body, 'x', sizeof body);
		for (int i = 0; i < 4; i++)
			SSL_write(ssl, body, sizeof body);
		return;
	}
	int n =
	    snprintf(head, sizeof head,
	             "HTTP/1.1 %u As told\r\nContent-Type: application/json\r\ncontent-length: %zu\r\n\r\n",
	             status, strlen(body));
	SSL_write(ssl, head, n);
	SSL_write(ssl, body, (int)strlen(body) / (*way == WAY_CUT ? 2 : 1));
	SSL_shutdown(ssl);
}

/* ---- the agent ------------------------------------------------------------------------------------------ */

static const char *token_text(const struct authority *by, const char *server)
{
	static char text[SENSE_TOKEN_TEXT_MAX + 1];
	struct sense_token token = {.id = {1, 2, 3}, .secret = {0xab, 0xcd}, .server_count = 1};
	unsigned len = sizeof token.ca;
	const char *why;
	X509_digest(by->certificate, EVP_sha256(), token.ca, &len);
	snprintf(token.servers[0], sizeof token.servers[0], "%s", server);
	if (!sense_token_encode(&token, text, &why))
		fprintf(stderr, "# token: %s\n", why);
	return text;
}

static enum sense_status enrol(const char *token, const char *server, struct sense_identity *out,
                               sense_error *err)
{
	const struct sense_enrol_config config = {.plugins_dir = plugins_dir(),
	                                          .agent_dir = dir,
	                                          .token = token,
	                                          .server = server,
	                                          .version = "test 1"};
	err->message[0] = '\0';
	return sense_enrol_run(&config, out, err);
}

static void fails(enum way how, const char *token, const char *server, const char *wanted)
{
	static struct sense_identity identity;
	sense_error err;
	*way = how;
	ok(enrol(token, server, &identity, &err) && strstr(err.message, wanted), "%s: %s", wanted,
	   err.message);
	ok(sense_identity_read(dir, &identity, &err) == SENSE_E_NOTFOUND, "and nothing was kept");
}

static void good(const struct peer *peer)
{
	static struct sense_identity identity, again;
	sense_error err;
	char url[64];
	*way = WAY_GOOD;
	snprintf(url, sizeof url, "https://127.0.0.1:%u/", peer->port);
	if (!ok(!enrol(token_text(&ca, "127.0.0.1:1"), url, &identity, &err), "an agent is enrolled: %s",
	        err.message))
		return;
	is_str(identity.agent, AGENT, "its id");
	is_str(identity.organization, ORGANIZATION, "its organization");
	is_num(identity.policy_key[31], 7, "the key of policies");
	is_num(identity.server_count, 4, "its servers");
	is_str(identity.servers[0], server_at(peer->port), "the one that was named first");
	is_str(identity.servers[1], "one.example:8443", "then those that the server tells");
	ok(!sense_identity_read(dir, &again, &err), "it is kept");
	ok(!memcmp(&identity, &again, sizeof again), "as it is");
	ok(strstr(asked, "\"token\":\"01020300000000000000000000000000abcd0000000000000000000000000000\""),
	   "the token was shown");
	ok(strstr(asked, "POST /v1/enroll HTTP/1.1\r\nHost: 127.0.0.1:") == asked, "at the right place");
	ok(!strstr(asked, "PRIVATE"), "no key was sent");
	ok(enrol(token_text(&ca, "127.0.0.1:1"), url, &identity, &err) &&
	       strstr(err.message, "enrolled already"),
	   "it is not enrolled twice: %s", err.message);
}

static void urls(void)
{
	static const struct {
		const char *url, *server;
	} rows[] = {
	    {"https://a.example", "a.example:8443"},
	    {"https://a.example:444/", "a.example:444"},
	    {"a.example", "a.example:8443"},
	    {"[::1]", "[::1]:8443"},
	    {"https://[fd00::2]:1", "[fd00::2]:1"},
	    {"http://a.example", NULL},
	    {"https://a.example/path", NULL},
	    {"a b", NULL},
	    {"", NULL},
	    {"a.example:0", NULL},
	    {"a.example:65536", NULL},
	    {"[::1", NULL},
	};
	char out[SENSE_IDENTITY_SERVER_MAX];
	for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
		bool is = sense_enrol_server(rows[i].url, out);
		is_str(is ? out : NULL, rows[i].server, "'%s' as a server", rows[i].url);
	}
}

/* A server for others: prints a token, and goes on as long as there is something to be read. */
static int serve(void)
{
	struct peer peer = peer_start(&ca, &ca, "IP:127.0.0.1", 0, https);
	printf("%s\n", token_text(&ca, server_at(peer.port)));
	fflush(stdout);
	while (getchar() != EOF)
		;
	peer_stop(&peer);
	return 0;
}

int main(int argc, char **argv)
{
	signal(SIGPIPE, SIG_IGN);
	strcpy(dir, "/tmp/sense-enrol-XXXXXX");
	ca = authority_make("fleet");
	other = authority_make("other");
	shared_new();
	way = mmap(NULL, 65536 + 4096, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	asked = (char *)way + 4096;
	if (argc == 2 && !strcmp(argv[1], "serve"))
		return serve();
	if (!mkdtemp(dir))
		return 1;
	struct peer peer = peer_start(&ca, &ca, "IP:127.0.0.1", 0, https);
	char at[64];
	snprintf(at, sizeof at, "%s", server_at(peer.port));
	const char *token = token_text(&ca, at);
	fails(WAY_GOOD, "sense1.nonsense", NULL, "the token");
	fails(WAY_GOOD, token, "https://a.example/path", "--server");
	fails(WAY_PROBLEM, token, NULL, "the server refuses enrolment (403): The token has expired.?[31m");
	fails(WAY_HTML, token, NULL, "no server of a fleet");
	fails(WAY_SHORT, token, NULL, "no server of a fleet");
	fails(WAY_NUL, token, NULL, "no server of a fleet");
	fails(WAY_CUT, token, NULL, "no server of a fleet");
	fails(WAY_LONG, token, NULL, "no server of a fleet");
	fails(WAY_OTHER_CA, token, NULL, "the server's CA is not that of the token");
	fails(WAY_OTHER_KEY, token, NULL, "the certificate is not that of the agent's key");
	*asked = '\0';
	fails(WAY_GOOD, token_text(&other, at), NULL, "not of this fleet's CA");
	is_str(asked, "", "another server is not shown the token");
	struct peer elsewhere = peer_start(&ca, &ca, "DNS:elsewhere.example", 0, https);
	fails(WAY_GOOD, token_text(&ca, server_at(elsewhere.port)), NULL, "for another name");
	fails(WAY_GOOD, token_text(&ca, "127.0.0.1:1"), NULL, "127.0.0.1:1: Connection refused");
	good(&peer);
	urls();
	peer_stop(&elsewhere);
	peer_stop(&peer);
	authority_free(&other);
	authority_free(&ca);
	snprintf(at, sizeof at, "%s/fleet", dir);
	remove_all(at);
	remove_all(dir);
	return tap_done();
}
