/*
 * What enrolment is tested with: a CA, its signer as a process, a PostgreSQL with the schema, and both on one
 * loop.
 */
#ifndef SENSE_T_ENROL_WORLD_H
#define SENSE_T_ENROL_WORLD_H

#include <openssl/pem.h>
#include <openssl/sha.h>
#include <sys/socket.h>

#include "server/fleet/enrol.h"
#include "server/pki/peer.h"
#include "server/pki/signer.h"
#include "server/pki/signer_wire.h"
#include "server/store/migrate.h"
#include "t/stores.h"

static struct {
	char dir[64];
	struct ev_loop *loop;
	struct sense_ca_public ca;
	struct sense_signer_config signer_config;
	sense_signer *signer;
	pid_t signer_pid;
	sense_signer_client *client;
	sense_db *db;
	sense_enrol *enrol;
	char org[37], other[37];
	pid_t owner;
} world;

static void world_on_ready(void *self, const sense_error *why)
{
	const int *fd = self;
	if (why)
		fprintf(stderr, "# %s\n", why->message);
	(void)!write(*fd, "", 1);
}

__attribute__((unused)) static void world_signer_start(void)
{
	int ends[2];
	char byte;
	(void)!pipe(ends);
	world.signer_pid = fork();
	if (!world.signer_pid)
		_exit(sense_signer_run(world.signer, world_on_ready, &ends[1]));
	close(ends[1]);
	(void)!read(ends[0], &byte, 1);
	close(ends[0]);
}

__attribute__((unused)) static void world_signer_stop(void)
{
	kill(world.signer_pid, SIGKILL);
	waitpid(world.signer_pid, NULL, 0);
	world.signer_pid = 0;
}

static void world_end(void)
{
	if (world.owner != getpid())
		return;
	if (world.signer_pid)
		world_signer_stop();
	nftw(world.dir, stores_remove_one, 16, FTW_DEPTH | FTW_PHYS);
}

__attribute__((unused)) static bool world_start(void)
{
	sense_error err;
	bool passphrase;
	struct sense_migrate_report report;
	static const char *const servers[] = {"sense.example:8443", "[2001:db8::7]:8443"};
	world.owner = getpid();
	snprintf(world.dir, sizeof world.dir, "/tmp/sense-en-XXXXXX");
	if (!mkdtemp(world.dir) || atexit(world_end) || !stores_start(false))
		return false;
	struct sense_ca_init what = {.dir = world.dir};
	struct sense_migrate_config migrate = {.conninfo = stores.embedded.conninfo};
	if (sense_ca_init(&what, &passphrase, &err) || sense_ca_public_read(world.dir, &world.ca, &err) ||
	    sense_migrate(&migrate, &report, &err)) {
		fprintf(stderr, "# %s\n", err.message);
		return false;
	}
	world.signer_config = (struct sense_signer_config){.dir = world.dir, .ends = 2};
	world.signer = sense_signer_new(&world.signer_config, &err);
	world_signer_start();
	world.loop = ev_loop_new(0);
	struct sense_db_config db = {
	    .conninfo = stores.embedded.conninfo, .connections = 4, .timeout_us = 20000000};
	world.db = sense_db_new(world.loop, &db, &err);
	world.client = sense_signer_client_new(world.loop, sense_signer_end(world.signer, 1), 0, &err);
	struct sense_enrol_config config = {world.db, world.client, &world.ca, servers, 2};
	world.enrol = sense_enrol_new(&config, &err);
	snprintf(world.org, sizeof world.org, "%s",
	         sql("INSERT INTO sense.organizations (name) VALUES ('acme') RETURNING id"));
	snprintf(world.other, sizeof world.other, "%s",
	         sql("INSERT INTO sense.organizations (name) VALUES ('other') RETURNING id"));
	return world.enrol && strlen(world.org) == 36;
}

__attribute__((unused)) static void world_stop(void)
{
	sense_db_free(world.db);
	sense_signer_client_free(world.client);
	sense_enrol_free(world.enrol);
	sense_ca_public_free(&world.ca);
	world_signer_stop();
	sense_signer_free(world.signer);
	ev_loop_destroy(world.loop);
}

/* A token of acme, as it stands in a request: 64 digits, in static memory. `rest` are further columns and
 * values. */
__attribute__((unused)) static const char *world_token(int uses, const char *expires)
{
	static char token[65];
	uint8_t bytes[32], hash[32];
	char id[37], digits[65];
	if (getentropy(bytes, sizeof bytes))
		return "";
	SHA256(bytes + 16, 16, hash);
	for (unsigned i = 0; i < 32; i++) {
		snprintf(token + 2 * (size_t)i, 3, "%02x", bytes[i]);
		snprintf(digits + 2 * (size_t)i, 3, "%02x", hash[i]);
	}
	sense_uuid_text(bytes, id);
	sql("INSERT INTO sense.enrolment_tokens (id, org_id, secret_hash, expires_at, uses_left) VALUES "
	    "('%s', '%s', "
	    "'\\x%s', now() + interval '%s', %d)",
	    id, world.org, digits, expires, uses);
	return token;
}

/* A request with a new key, PEM with its ends of line as JSON has them; DER in *der when that is wanted. */
__attribute__((unused)) static void world_request(char pem[2048], uint8_t **der, int *der_len)
{
	sense_error err;
	char *text;
	EVP_PKEY *key = sense_key_make(SENSE_KEY_P256, &err);
	X509_REQ *request = X509_REQ_new();
	X509_REQ_set_pubkey(request, key);
	X509_NAME_add_entry_by_txt(X509_REQ_get_subject_name(request), "CN", MBSTRING_ASC,
	                           (const unsigned char *)"me", -1, -1, 0);
	X509_REQ_sign(request, key, EVP_sha256());
	BIO *out = BIO_new(BIO_s_mem());
	PEM_write_bio_X509_REQ(out, request);
	long len = BIO_get_mem_data(out, &text), at = 0;
	for (long i = 0; i < len && at < 2000; i++) {
		if (text[i] == '\n')
			pem[at++] = '\\';
		pem[at++] = text[i] == '\n' ? 'n' : text[i];
	}
	pem[at] = '\0';
	if (der)
		*der_len = i2d_X509_REQ(request, der);
	BIO_free(out);
	X509_REQ_free(request);
	EVP_PKEY_free(key);
}

#endif
