#include "core/link/enrol.h"

#include <errno.h>
#include <openssl/crypto.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "core/link/process.h"
#include "proto/hex.h"
#include "proto/token.h"
#include "proto/uuid.h"

#define WAIT_MS 300000 /* for all servers together */

struct attempt {
	const struct sense_enrol_config *config;
	struct sense_token token;
	struct sense_identity *identity;
	const char *servers[SENSE_TOKEN_SERVERS_MAX + 1];
	unsigned server_count;
	char server[SENSE_IDENTITY_SERVER_MAX]; /* config's */
	char secret[2 * (SENSE_TOKEN_ID + SENSE_TOKEN_SECRET) + 1];
	char request[SENSE_IDENTITY_PEM_MAX];
	char host[256];
	char message[SENSE_UPLINK_MESSAGE_MAX + 1]; /* what came back, with a NUL behind it */
};

bool sense_enrol_server(const char *url, char out[SENSE_IDENTITY_SERVER_MAX])
{
	if (!strncmp(url, "https://", 8))
		url += 8;
	const char *why;
	size_t len = strcspn(url, "/");
	const char *six = memchr(url, ']', len),
		   *colon = memchr(six ? six : url, ':', len - (six ? (size_t)(six - url) : 0));
	if ((url[len] && url[len + 1]) || len + sizeof SENSE_ENROL_PORT + 1 > SENSE_IDENTITY_SERVER_MAX)
		return false;
	snprintf(out, SENSE_IDENTITY_SERVER_MAX, "%.*s%s", (int)len, url, colon ? "" : ":" SENSE_ENROL_PORT);
	return sense_token_is_server(out, &why);
}

/* ---- what is asked ---------------------------------------------------------------------------------- */

static enum sense_status token_take(struct attempt *attempt, sense_error *err)
{
	const char *why;
	if (!sense_token_decode(attempt->config->token, &attempt->token, &why))
		return sense_fail(err, SENSE_E_CONFIG, "link", "the token %s", why);
	sense_hex_text(attempt->token.id, SENSE_TOKEN_ID, attempt->secret);
	sense_hex_text(attempt->token.secret, SENSE_TOKEN_SECRET, attempt->secret + 2 * SENSE_TOKEN_ID);
	if (attempt->config->server) {
		if (!sense_enrol_server(attempt->config->server, attempt->server))
			return sense_fail(err, SENSE_E_CONFIG, "link",
			                  "--server: https://HOST[:PORT] is wanted, not '%s'",
			                  attempt->config->server);
		attempt->servers[attempt->server_count++] = attempt->server;
	}
	for (unsigned i = 0; i < attempt->token.server_count; i++)
		attempt->servers[attempt->server_count++] = attempt->token.servers[i];
	return SENSE_OK;
}

static enum sense_status not_yet(const struct attempt *attempt, sense_error *err)
{
	sense_error why;
	const char *dir = attempt->config->agent_dir;
	enum sense_status status = sense_identity_read(dir, attempt->identity, &why);
	if (status == SENSE_E_NOTFOUND)
		return SENSE_OK;
	if (status)
		return sense_fail(err, status, "link", "%s", why.message);
	return sense_fail(
	    err, SENSE_E_CONFIG, "link",
	    "this agent is enrolled already, as %s of organization %s: to enrol it anew, revoke it on the server "
	    "and remove %s/fleet/identity",
	    attempt->identity->agent, attempt->identity->organization, dir);
}

/* ---- what comes back -------------------------------------------------------------------------------- */

/* The next of some texts that each end with a NUL; NULL: there is none. */
static const char *text_next(const char **at, const char *end)
{
	const char *text = *at, *nul = text < end ? memchr(text, '\0', (size_t)(end - text)) : NULL;
	if (!nul)
		return NULL;
	*at = nul + 1;
	return text;
}

static bool copy(char *to, size_t cap, const char *text)
{
	size_t len = text ? strlen(text) : cap;
	if (len >= cap)
		return false;
	memcpy(to, text, len + 1);
	return true;
}

static bool key_take(const char *hex, uint8_t out[SENSE_IDENTITY_POLICY_KEY])
{
	return hex && strlen(hex) == 2 * SENSE_IDENTITY_POLICY_KEY &&
	       sense_hex_bytes(hex, out, SENSE_IDENTITY_POLICY_KEY);
}

/* False: something is not as it must be. */
static bool enrolled_take(struct attempt *attempt, const char *at, const char *end)
{
	struct sense_identity *identity = attempt->identity;
	if (!copy(identity->certificate, sizeof identity->certificate, text_next(&at, end)) ||
	    !copy(identity->ca, sizeof identity->ca, text_next(&at, end)) ||
	    !copy(identity->agent, sizeof identity->agent, text_next(&at, end)) ||
	    !copy(identity->organization, sizeof identity->organization, text_next(&at, end)) ||
	    !key_take(text_next(&at, end), identity->policy_key))
		return false;
	if (!sense_uuid_is(identity->agent) || !sense_uuid_is(identity->organization))
		return false;
	/* The one that was named stays the first; the server knows the others. */
	if (*attempt->server)
		sense_identity_servers_add(identity, attempt->server);
	for (const char *server; (server = text_next(&at, end));)
		sense_identity_servers_add(identity, server);
	for (unsigned i = 0; i < attempt->token.server_count; i++)
		sense_identity_servers_add(identity, attempt->token.servers[i]);
	return identity->server_count;
}

static enum sense_status answer_take(struct attempt *attempt, size_t len, sense_error *err)
{
	struct sense_uplink_head head;
	const char *text = attempt->message + sizeof head;
	memcpy(&head, attempt->message, sizeof head);
	attempt->message[len] = '\0';
	if (head.kind == SENSE_UPLINK_FAILED) {
		for (char *c = attempt->message + sizeof head; *c; c++)
			*c = *c < ' ' || *c > '~' ? '?' : *c;
		return sense_fail(err, SENSE_E_IO, "link", "not enrolled: %.900s", text);
	}
	if (head.kind != SENSE_UPLINK_ENROLLED || !enrolled_take(attempt, text, attempt->message + len))
		return sense_fail(err, SENSE_E_FORMAT, "link",
		                  "not enrolled: the server's answer is not whole");
	if (!sense_identity_is_ca(attempt->identity, attempt->token.ca))
		return sense_fail(err, SENSE_E_FORMAT, "link",
		                  "not enrolled: the server's CA is not that of the token");
	return sense_identity_check(attempt->identity, err);
}

static enum sense_status answer_wait(struct attempt *attempt, int fd, sense_error *err)
{
	struct pollfd readable = {.fd = fd, .events = POLLIN};
	int ready = poll(&readable, 1, WAIT_MS);
	while (ready < 0 && errno == EINTR)
		ready = poll(&readable, 1, WAIT_MS);
	if (!ready)
		return sense_fail(err, SENSE_E_IO, "link",
		                  "not enrolled: no server answered in five minutes");
	ssize_t got = recv(fd, attempt->message, sizeof attempt->message - 1, 0);
	if (got < (ssize_t)sizeof(struct sense_uplink_head))
		return sense_fail(err, SENSE_E_INTERNAL, "link",
		                  "not enrolled: the process that asks the server died");
	return answer_take(attempt, (size_t)got, err);
}

/* In the process that asks: it gets the request, and need not have the key. */
static void key_leave(void *self)
{
	const struct attempt *attempt = self;
	OPENSSL_cleanse(attempt->identity->key, sizeof attempt->identity->key);
}

static enum sense_status ask(struct attempt *attempt, sense_error *err)
{
	pid_t pid;
	int fd;
	const struct sense_enrol_config *config = attempt->config;
	const struct sense_uplink_enrol enrol = {.size = sizeof enrol,
	                                         .fingerprint = attempt->token.ca,
	                                         .secret = attempt->secret,
	                                         .request = attempt->request,
	                                         .host = attempt->host,
	                                         .version = config->version};
	const struct sense_link_start how = {
	    .plugins_dir = config->plugins_dir,
	    .want = {.servers = attempt->servers,
	             .server_count = attempt->server_count,
	             .proxy = config->proxy ? config->proxy : "",
	             .enrol = &enrol},
	    .self = attempt,
	    .leave = key_leave,
	};
	enum sense_status status = sense_link_process_start(&how, &pid, &fd, err);
	if (status)
		return status;
	status = answer_wait(attempt, fd, err);
	sense_link_process_end(pid, fd);
	return status;
}

enum sense_status sense_enrol_run(const struct sense_enrol_config *config, struct sense_identity *out,
                                  sense_error *err)
{
	struct attempt *attempt = calloc(1, sizeof *attempt);
	if (!attempt)
		return sense_fail(err, SENSE_E_MEMORY, "link", "no memory");
	attempt->config = config;
	attempt->identity = out;
	if (gethostname(attempt->host, sizeof attempt->host - 1) || !*attempt->host)
		snprintf(attempt->host, sizeof attempt->host, "unknown");
	enum sense_status status = token_take(attempt, err);
	if (!status)
		status = not_yet(attempt, err);
	*out = (struct sense_identity){0};
	if (!status)
		status = sense_identity_key_make(out->key, err);
	if (!status)
		status = sense_identity_request(out->key, attempt->host, attempt->request, err);
	if (!status)
		status = ask(attempt, err);
	if (!status)
		status = sense_identity_write(config->agent_dir, out, err);
	OPENSSL_cleanse(attempt, sizeof *attempt);
	free(attempt);
	return status;
}
