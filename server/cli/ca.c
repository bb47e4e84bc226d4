/* `sense-server ca`: makes the CA of a fleet, shows it, and makes the server's certificate anew. */
#include <stdio.h>
#include <string.h>
#include <time.h>

#include "core/show/json.h"
#include "core/show/terminal.h"
#include "proto/hex.h"
#include "server/cli/commands.h"
#include "server/cli/scope.h"
#include "server/pki/ca.h"

#define NAMES_TEXT_MAX 4096

/* Where the CA is, and for which names its server is. Names of --names lie in text. */
struct place {
	const char *dir, *passphrase_file;
	const char *names[SENSE_CONF_LIST_MAX];
	unsigned name_count;
	char text[NAMES_TEXT_MAX];
};

static bool names_split(struct place *place, const char *list)
{
	if (snprintf(place->text, sizeof place->text, "%s", list) >= NAMES_TEXT_MAX)
		return false;
	for (char *rest = place->text, *name; (name = strsep(&rest, ","));) {
		if (place->name_count == SENSE_CERTIFICATE_NAMES_MAX || !sense_certificate_name_good(name)) {
			sense_admin_usage("ca", "'%s' is no DNS name and no address, or one name too many",
			                  name);
			return false;
		}
		place->names[place->name_count++] = name;
	}
	return true;
}

static bool place_find(const struct sense_server_cli *cli, const struct sense_conf *conf, struct place *place)
{
	unsigned count;
	const char *dir = sense_server_option(cli, "dir"), *names = sense_server_option(cli, "names");
	*place = (struct place){.passphrase_file = sense_server_option(cli, "passphrase-file")};
	place->dir = dir ? dir : sense_conf_text(conf, SENSE_SERVER_KEY_SERVER_DIR);
	if (names)
		return names_split(place, names);
	const char *const *set = sense_conf_list(conf, SENSE_SERVER_KEY_SERVER_NAMES, &count);
	for (unsigned i = 0; i < count && i < SENSE_CERTIFICATE_NAMES_MAX; i++)
		place->names[place->name_count++] = set[i];
	if (!count)
		place->name_count = sense_ca_default_names(place->names);
	return true;
}

static void day_text(time_t when, char out[32])
{
	struct tm utc;
	strftime(out, 32, "%Y-%m-%d", gmtime_r(&when, &utc));
}

/* ---- init ---------------------------------------------------------------------------------------------- */

static void init_tell(const struct place *place, bool made_passphrase)
{
	char fingerprint[65] = "";
	struct sense_ca_public ca;
	if (!sense_ca_public_read(place->dir, &ca, NULL))
		sense_hex_text(ca.fingerprint, sizeof ca.fingerprint, fingerprint);
	printf(
	    "A CA was made in %s:\n\n"
	    "  ca.pem          its certificate, good for 20 years; tokens name it by its fingerprint\n"
	    "  ca.key          its key, encrypted: whoever has it can be any agent\n"
	    "  policy.key      signs policies, encrypted: whoever has it can tell agents what to do\n"
	    "  policy.pub      its public half, which agents are given when they enrol\n"
	    "  server.key      key of the server's TLS certificate\n"
	    "  server.pem      that certificate, good for a year and made anew by the server, and ca.pem "
	    "behind it\n",
	    place->dir);
	if (made_passphrase)
		puts("  ca.passphrase   made now: decrypts ca.key and policy.key");
	fputs("\nThe server's names:", stdout);
	for (unsigned i = 0; i < place->name_count; i++)
		printf(" %s", place->names[i]);
	printf(
	    "\n"
	    "Fingerprint (SHA-256): %s\n\n"
	    "Back up ca.pem, ca.key, policy.key, policy.pub, and the passphrase apart from them: without "
	    "these every\n"
	    "agent must enrol anew. server.key and server.pem can be made again.\n",
	    fingerprint);
	if (made_passphrase)
		puts(
		    "A passphrase beside the keys protects copies of the keys alone. Better: keep it "
		    "elsewhere, and give it\n"
		    "to the service as the credential ca.passphrase (LoadCredentialEncrypted=, "
		    "docs/fleet.md).");
	sense_ca_public_free(&ca);
}

static int init(const struct sense_server_cli *cli, const struct sense_conf *conf)
{
	sense_error err;
	bool made_passphrase;
	static struct place place;
	if (!place_find(cli, conf, &place))
		return SENSE_SERVER_USAGE;
	struct sense_ca_init what = {.dir = place.dir,
	                             .name = sense_server_option(cli, "name"),
	                             .passphrase_file = place.passphrase_file,
	                             .names = place.names,
	                             .name_count = place.name_count};
	if (what.name && (!*what.name || strlen(what.name) > 64))
		return sense_admin_usage("ca", "--name takes 1 to 64 bytes");
	if (sense_ca_init(&what, &made_passphrase, &err))
		return sense_admin_fail("%s", err.message);
	init_tell(&place, made_passphrase);
	return SENSE_SERVER_OK;
}

/* ---- show ---------------------------------------------------------------------------------------------- */

struct shown {
	const char *dir;
	char *subject; /* of OpenSSL */
	char fingerprint[65], policy_key[65], ends[32], server_ends[32];
};

static void shown_fill(struct shown *shown, const struct sense_ca_public *ca)
{
	X509 *server = NULL;
	sense_hex_text(ca->fingerprint, sizeof ca->fingerprint, shown->fingerprint);
	sense_hex_text(ca->policy_key, sizeof ca->policy_key, shown->policy_key);
	day_text(sense_certificate_end(ca->certificate), shown->ends);
	snprintf(shown->server_ends, sizeof shown->server_ends, "missing");
	if (!sense_certificate_read(shown->dir, SENSE_CA_SERVER_CERTIFICATE, &server, NULL))
		day_text(sense_certificate_end(server), shown->server_ends);
	X509_free(server);
	shown->subject = X509_NAME_oneline(X509_get_subject_name(ca->certificate), NULL, 0);
}

static void shown_json(const struct shown *shown, struct sense_buf *out)
{
	struct sense_json json = {.out = out};
	sense_json_open(&json, '{');
	sense_json_member(&json, "dir", shown->dir);
	sense_json_member(&json, "subject", shown->subject);
	sense_json_member(&json, "fingerprint", shown->fingerprint);
	sense_json_member(&json, "ends", shown->ends);
	sense_json_member(&json, "policy_key", shown->policy_key);
	sense_json_member(&json, "server_ends", shown->server_ends);
	sense_json_close(&json, '}');
	sense_buf_addc(out, '\n');
}

static int show(const struct sense_server_cli *cli, const struct sense_conf *conf)
{
	sense_error err;
	struct sense_ca_public ca;
	struct sense_output output = {.subsystem = "cli"};
	static struct place place;
	if (!place_find(cli, conf, &place))
		return SENSE_SERVER_USAGE;
	if (sense_ca_public_read(place.dir, &ca, &err))
		return sense_admin_fail("%s", err.message);
	struct shown shown = {.dir = place.dir};
	shown_fill(&shown, &ca);
	if (sense_server_option(cli, "json"))
		shown_json(&shown, &output.buf);
	else
		sense_buf_printf(&output.buf,
		                 "directory    %s\n"
		                 "CA           %s\n"
		                 "fingerprint  %s\n"
		                 "ends         %s\n"
		                 "policy key   %s\n"
		                 "server ends  %s\n",
		                 shown.dir, shown.subject, shown.fingerprint, shown.ends, shown.policy_key,
		                 shown.server_ends);
	sense_output_flush(&output);
	sense_buf_fini(&output.buf);
	OPENSSL_free(shown.subject);
	sense_ca_public_free(&ca);
	return output.failed ? SENSE_SERVER_FAILED : SENSE_SERVER_OK;
}

/* ---- server -------------------------------------------------------------------------------------------- */

static int server(const struct sense_server_cli *cli, const struct sense_conf *conf)
{
	sense_error err;
	struct sense_issuer ca;
	static struct place place;
	if (!place_find(cli, conf, &place))
		return SENSE_SERVER_USAGE;
	enum sense_status status = sense_ca_unlock(place.dir, place.passphrase_file, &ca, &err);
	if (!status)
		status = sense_ca_server_renew(place.dir, &ca, place.names, place.name_count, &err);
	sense_ca_lock(&ca);
	if (status)
		return sense_admin_fail("%s", err.message);
	printf("%s/%s was made anew for:", place.dir, SENSE_CA_SERVER_CERTIFICATE);
	for (unsigned i = 0; i < place.name_count; i++)
		printf(" %s", place.names[i]);
	puts("\nA server that runs takes it up when it is reloaded.");
	return SENSE_SERVER_OK;
}

/* None of them is in need of the database. */
static const struct sense_scope_action actions[] = {
    {.name = "init", .operands = "no operands", .before = init},
    {.name = "show", .operands = "no operands", .before = show},
    {.name = "server", .operands = "no operands", .before = server},
    {.name = NULL},
};

static int run(const struct sense_server_cli *cli, struct sense_conf *conf)
{
	return sense_scope_run(cli, conf, actions);
}

static const struct sense_server_option options[] = {
    {"dir", "DIR", "where the CA is; without it server.dir"},
    {"name", "NAME", "of init: the CA's own name (SENSE CA)"},
    {"names", "LIST", "DNS names and addresses of the server, with commas; without it server.names"},
    {"passphrase-file", "FILE", "its first line decrypts the keys; without it as said above"},
    {"json", NULL, "of show: as JSON"},
    {NULL, NULL, NULL},
};

const struct sense_server_command sense_command_ca = {
    .name = "ca",
    .operands = "init | show | server",
    .operands_min = 1,
    .operands_max = 1,
    .doc = "make the CA of a fleet, show it, make the server's certificate anew",
    .more =
	"init makes keys and certificates, and refuses when there are any. server makes\n"
	"server.pem anew, for other names. The passphrase of the keys is looked for in\n"
	"--passphrase-file, then in the credential ca.passphrase ($CREDENTIALS_DIRECTORY), then\n"
	"in ca.passphrase in the directory, which init makes when there is none.",
    .options = options,
    .run = run,
};
