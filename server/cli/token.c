/* `sense-server token`: enrolment tokens are made, listed and revoked. */
#include <openssl/crypto.h>
#include <openssl/rand.h>
#include <openssl/sha.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "core/conf/units.h"
#include "core/show/json.h"
#include "core/show/terminal.h"
#include "proto/hex.h"
#include "proto/token.h"
#include "server/cli/commands.h"
#include "server/cli/scope.h"
#include "server/pki/ca.h"
#include "server/pki/signer_wire.h"

#define EXPIRES_MAX_S (366u * 86400u)
#define USES_MAX 1000000u

/* ---- create: what it says ----------------------------------------------------------------------------- */

struct making {
	struct sense_token token;
	char id[SENSE_UUID_TEXT], text[SENSE_TOKEN_TEXT_MAX + 1], hash[2 * SHA256_DIGEST_LENGTH + 3];
	char expires[32], uses[16]; /* seconds; a number */
};

/* Between the two halves of `token create`: before there is a connection to the database, and after. */
static struct making making;

static bool server_add(struct sense_token *token, const char *server)
{
	const char *why;
	if (token->server_count == SENSE_TOKEN_SERVERS_MAX) {
		sense_admin_usage("token", "a token names at most %u servers", SENSE_TOKEN_SERVERS_MAX);
		return false;
	}
	if (!sense_token_is_server(server, &why)) {
		sense_admin_usage("token", "--server takes HOST:PORT, not '%s': it %s", server, why);
		return false;
	}
	snprintf(token->servers[token->server_count++], sizeof token->servers[0], "%s", server);
	return true;
}

/* By this server's own names and the port on which it listens first. */
static bool servers_default(struct sense_token *token, const struct sense_conf *conf)
{
	const char *defaults[4];
	char server[SENSE_TOKEN_SERVER_MAX + 1];
	unsigned count, listens;
	const char *const *names = sense_conf_list(conf, SENSE_SERVER_KEY_SERVER_NAMES, &count);
	const char *const *listen = sense_conf_list(conf, SENSE_SERVER_KEY_SERVER_LISTEN, &listens);
	const char *port = listens ? strrchr(listen[0], ':') : NULL;
	if (!count) {
		sense_ca_default_names(defaults);
		names = defaults;
		count = 1;
	}
	for (unsigned i = 0; i < count && token->server_count < SENSE_TOKEN_SERVERS_MAX; i++) {
		bool brackets = strchr(names[i], ':') != NULL;
		if (*names[i] == '*')
			continue; /* a pattern is no place to go to */
		snprintf(server, sizeof server, "%s%.200s%s%s", brackets ? "[" : "", names[i],
		         brackets ? "]" : "", port ? port : ":8443");
		if (!server_add(token, server))
			return false;
	}
	return token->server_count > 0;
}

static bool servers_take(const struct sense_server_cli *cli, const struct sense_conf *conf,
                         struct sense_token *token)
{
	char list[SENSE_TOKEN_TEXT_MAX];
	const char *given = sense_server_option(cli, "server");
	if (!given)
		return servers_default(token, conf);
	if (snprintf(list, sizeof list, "%s", given) >= (int)sizeof list) {
		sense_admin_usage("token", "--server is too long for a token");
		return false;
	}
	for (char *rest = list, *server; (server = strsep(&rest, ","));)
		if (!server_add(token, server))
			return false;
	return true;
}

static bool limits_take(const struct sense_server_cli *cli)
{
	uint64_t us;
	char *end;
	const char *expires = sense_server_option(cli, "expires"), *uses = sense_server_option(cli, "uses");
	if (!sense_duration_parse(expires ? expires : "24h", &us) || us < 1000000 ||
	    us / 1000000 > EXPIRES_MAX_S) {
		sense_admin_usage("token", "--expires takes a time of 1s to 366d, not '%s'", expires);
		return false;
	}
	snprintf(making.expires, sizeof making.expires, "%llu", (unsigned long long)(us / 1000000));
	unsigned long count = strtoul(uses ? uses : "100", &end, 10);
	if (uses && (*uses < '0' || *uses > '9' || *end || !count || count > USES_MAX)) {
		sense_admin_usage("token", "--uses takes a number from 1 to %u, not '%s'", USES_MAX, uses);
		return false;
	}
	snprintf(making.uses, sizeof making.uses, "%lu", count);
	return true;
}

/* The secret itself is in the token's text and nowhere else. */
static bool text_make(const struct sense_server_cli *cli, const struct sense_conf *conf)
{
	sense_error err;
	struct sense_ca_public ca;
	uint8_t hash[SHA256_DIGEST_LENGTH];
	const char *why, *dir = sense_server_option(cli, "dir");
	if (sense_ca_public_read(dir ? dir : sense_conf_text(conf, SENSE_SERVER_KEY_SERVER_DIR), &ca, &err)) {
		sense_admin_fail(
		    "%s. A token names the CA: make it ('sense-server ca init'), or say where it is (--dir)",
		    err.message);
		return false;
	}
	memcpy(making.token.ca, ca.fingerprint, sizeof making.token.ca);
	sense_ca_public_free(&ca);
	if (RAND_bytes(making.token.id, SENSE_TOKEN_ID) != 1 ||
	    RAND_priv_bytes(making.token.secret, SENSE_TOKEN_SECRET) != 1) {
		sense_admin_fail("there is no randomness for a token");
		return false;
	}
	sense_uuid_text(making.token.id, making.id);
	SHA256(making.token.secret, SENSE_TOKEN_SECRET, hash);
	memcpy(making.hash, "\\x", 2);
	sense_hex_text(hash, sizeof hash, making.hash + 2);
	if (sense_token_encode(&making.token, making.text, &why))
		return true;
	sense_admin_fail("this cannot be said in a token: %s", why);
	return false;
}

/* ---- create: what is written down --------------------------------------------------------------------- */

static bool making_store(struct sense_admin *admin, const struct sense_server_cli *cli, const char *org,
                         const char *group)
{
	const char *values[] = {making.id,
	                        org,
	                        making.hash,
	                        making.expires,
	                        making.uses,
	                        group,
	                        sense_server_option(cli, "note"),
	                        sense_admin_actor()};
	return sense_admin_ask(
	    admin,
	    "WITH t AS (INSERT INTO sense.enrolment_tokens "
	    "(id, org_id, secret_hash, expires_at, uses_left, groups, note, created_by) "
	    "VALUES ($1, $2, $3, now() + make_interval(secs => $4::integer), $5, "
	    "array_remove(ARRAY[$6::uuid], NULL), $7, $8) "
	    "RETURNING id, org_id, expires_at, uses_left), "
	    "l AS (INSERT INTO sense.audit_log (org_id, actor, action, target) "
	    "SELECT org_id, $8, 'token.create', id::text FROM t) "
	    "SELECT to_char(expires_at AT TIME ZONE 'UTC', 'YYYY-MM-DD HH24:MI') || ' UTC', uses_left FROM t",
	    values, 8);
}

static int making_tell(const struct sense_server_cli *cli, const struct sense_admin *admin)
{
	struct sense_output output = {.subsystem = "cli"};
	const char *servers[SENSE_TOKEN_SERVERS_MAX] = {NULL};
	for (unsigned i = 0; i < making.token.server_count; i++)
		servers[i] = making.token.servers[i];
	if (sense_server_option(cli, "json")) {
		struct sense_json json = {.out = &output.buf};
		sense_json_open(&json, '{');
		sense_json_member(&json, "id", making.id);
		sense_json_member(&json, "token", making.text);
		sense_json_member(&json, "expires", sense_admin_value(admin, 0));
		sense_json_member_uint(&json, "uses_left", strtoull(sense_admin_value(admin, 1), NULL, 10));
		sense_json_member_list(&json, "servers", servers, making.token.server_count);
		sense_json_close(&json, '}');
		sense_buf_addc(&output.buf, '\n');
	} else {
		sense_buf_printf(&output.buf, "%s\n", making.text);
		fprintf(stderr, "token %s: %s uses until %s, for", making.id, sense_admin_value(admin, 1),
		        sense_admin_value(admin, 0));
		for (unsigned i = 0; i < making.token.server_count; i++)
			fprintf(stderr, " %s", making.token.servers[i]);
		fputs(
		    "\n"
		    "It is shown this once. Who has it can enrol agents: hand it over as you would a "
		    "password.\n",
		    stderr);
	}
	sense_output_flush(&output);
	sense_buf_fini(&output.buf);
	return output.failed ? SENSE_SERVER_FAILED : SENSE_SERVER_OK;
}

static int create_before(const struct sense_server_cli *cli, const struct sense_conf *conf)
{
	if (!limits_take(cli) || !servers_take(cli, conf, &making.token))
		return SENSE_SERVER_USAGE;
	return text_make(cli, conf) ? -1 : SENSE_SERVER_FAILED;
}

static int create(struct sense_admin *admin, const struct sense_server_cli *cli, const char *org)
{
	char id[SENSE_UUID_TEXT];
	const char *group = sense_server_option(cli, "group");
	if ((group && !sense_scope_group(admin, org, group, id)) ||
	    !making_store(admin, cli, org, group ? id : NULL))
		return SENSE_SERVER_FAILED;
	return making_tell(cli, admin);
}

static void create_after(void)
{
	OPENSSL_cleanse(&making, sizeof making);
}

/* ---- list, revoke --------------------------------------------------------------------------------------- */

static int list(struct sense_admin *admin, const struct sense_server_cli *cli, const char *org)
{
	if (!sense_admin_ask(
		admin,
		"SELECT t.id, o.name AS organization, "
		"CASE WHEN t.revoked_at IS NOT NULL THEN 'revoked' WHEN t.expires_at <= now() THEN 'expired' "
		"WHEN t.uses_left = 0 THEN 'used up' ELSE 'good' END AS state, t.uses_left, "
		"to_char(t.expires_at AT TIME ZONE 'UTC', 'YYYY-MM-DD HH24:MI') AS expires_utc, "
		"(SELECT string_agg(g.name, ' ' ORDER BY g.name) FROM sense.agent_groups g "
		"WHERE g.id = ANY (t.groups)) AS groups, t.note "
		"FROM sense.enrolment_tokens t JOIN sense.organizations o ON o.id = t.org_id "
		"WHERE $1::uuid IS NULL OR o.id = $1 ORDER BY t.created",
		&org, 1))
		return SENSE_SERVER_FAILED;
	return sense_admin_print(admin, sense_server_option(cli, "json") != NULL);
}

static int id_check(const struct sense_server_cli *cli, const struct sense_conf *conf)
{
	(void)conf;
	return sense_uuid_is(cli->operands[1])
	         ? -1
	         : sense_admin_usage("token",
	                             "token revoke takes the ID of a token, as 'token list' shows it");
}

static int revoke_token(struct sense_admin *admin, const struct sense_server_cli *cli, const char *org)
{
	const char *id = cli->operands[1], *values[] = {id, org, sense_admin_actor()};
	if (!sense_admin_ask(admin,
	                     "WITH t AS (UPDATE sense.enrolment_tokens SET revoked_at = now() "
	                     "WHERE id = $1 AND ($2::uuid IS NULL OR org_id = $2) AND revoked_at IS NULL "
	                     "RETURNING id, org_id), "
	                     "l AS (INSERT INTO sense.audit_log (org_id, actor, action, target) "
	                     "SELECT org_id, $3, 'token.revoke', id::text FROM t) "
	                     "SELECT id FROM t",
	                     values, 3))
		return SENSE_SERVER_FAILED;
	if (!sense_admin_rows(admin))
		return sense_admin_fail("there is no token %s that is not revoked already", id);
	printf("token %s is revoked; agents that enrolled with it stay\n", id);
	return SENSE_SERVER_OK;
}

static const struct sense_scope_action actions[] = {
    {.name = "create",
     .operands = "no operands",
     .run = create,
     .before = create_before,
     .after = create_after},
    {.name = "list", .operands = "no operands", .all = true, .run = list},
    {.name = "revoke",
     .operands_min = 1,
     .operands_max = 1,
     .operands = "the ID of a token, as 'token list' shows it",
     .all = true,
     .run = revoke_token,
     .before = id_check},
    {.name = NULL},
};

static int run(const struct sense_server_cli *cli, struct sense_conf *conf)
{
	return sense_scope_run(cli, conf, actions);
}

static const struct sense_server_option options[] = {
    {"org", "NAME",
     "organization that agents enrol into, not needed when there is only one; else: its tokens alone"},
    {"expires", "TIME", "how long it is good (24h)"},
    {"uses", "NUMBER", "how many agents may enrol with it (100)"},
    {"group", "NAME", "group that these agents join"},
    {"server", "LIST", "HOST:PORT of the servers, with commas; without it server.names and server.listen"},
    {"note", "TEXT", "what it is for"},
    {"dir", "DIR", "where the CA is; without it server.dir"},
    {"json", NULL, "as JSON, one object a line"},
    {NULL, NULL, NULL},
};

const struct sense_server_command sense_command_token = {
    .name = "token",
    .operands = "create | list | revoke ID",
    .operands_min = 1,
    .operands_max = 2,
    .doc = "make, list and revoke enrolment tokens",
    .more =
	"create prints the token, alone on standard output, this once: the database has no more\n"
	"than a hash of its secret. An agent takes it by 'sense-agent enroll'.",
    .options = options,
    .run = run,
};
