/* What a configuration means for the whole server. */
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "core/base/log.h"
#include "server/pki/place.h"
#include "server/serve/internal.h"
#include "server/serve/metrics.h"

enum {
	SLOTS_LEAST = 8, /* so that a new configuration can have some more */
	SLOTS_MOST = (SENSE_SIGNER_ENDS_MAX - SENSE_SERVE_END_JOBS - 2) / 2
};

struct sense_serve sense_serve;

unsigned sense_serve_end_of_worker(unsigned slot, unsigned generation)
{
	return SENSE_SERVE_END_JOBS + sense_worker_place(slot, generation);
}

/* Each process that may ask the signer has a pair of sockets, made before any is there. */
static unsigned slots_of(const struct sense_conf *conf)
{
	uint64_t workers = sense_conf_number(conf, SENSE_SERVER_KEY_SERVER_WORKERS);
	long cores = sysconf(_SC_NPROCESSORS_ONLN);
	if (!workers)
		workers = cores > 0 ? (uint64_t)cores : 1;
	return workers < SLOTS_LEAST ? SLOTS_LEAST : workers > SLOTS_MOST ? SLOTS_MOST : (unsigned)workers;
}

static enum sense_status texts_take(const struct sense_conf *conf, sense_error *err)
{
	struct sense_serve *serve = &sense_serve;
	const char *dir = sense_conf_text(conf, SENSE_SERVER_KEY_SERVER_DIR);
	const char *url = sense_conf_text(conf, SENSE_SERVER_KEY_DATABASE_URL);
	const char *redis = sense_conf_text(conf, SENSE_SERVER_KEY_REDIS_URL);
	serve->embedded = !*url;
	int long_dir = snprintf(serve->dir, sizeof serve->dir, "%s", dir) >= (int)sizeof serve->dir;
	int long_url = serve->embedded ? snprintf(serve->conninfo, sizeof serve->conninfo,
	                                          "host='%s/run' user=sense dbname=sense", dir)
	                               : snprintf(serve->conninfo, sizeof serve->conninfo, "%s", url);
	int long_redis = *redis || !serve->embedded
	                   ? snprintf(serve->redis, sizeof serve->redis, "%s", redis)
	                   : snprintf(serve->redis, sizeof serve->redis, "unix://%s/run/redis.sock", dir);
	if (long_dir || long_url >= (int)sizeof serve->conninfo || long_redis >= (int)sizeof serve->redis)
		return sense_fail(err, SENSE_E_LIMIT, "config",
		                  "server.dir, database.url or redis.url is too long");
	unsigned count;
	const char *const *names = sense_conf_list(conf, SENSE_SERVER_KEY_SERVER_NAMES, &count);
	for (unsigned i = 0; i < count && i < sizeof serve->names / sizeof *serve->names; i++) {
		snprintf(serve->names[i], sizeof serve->names[i], "%s", names[i]);
		serve->name_list[serve->name_count++] = serve->names[i];
	}
	return SENSE_OK;
}

/* A server that is started for the first time has a CA of its own after that. */
static enum sense_status ca_take(sense_error *err)
{
	struct sense_serve *serve = &sense_serve;
	const struct sense_ca_init what = {
	    .dir = serve->dir, .names = serve->name_list, .name_count = serve->name_count};
	bool made_passphrase = false;
	if (!sense_ca_has(serve->dir, SENSE_CA_CERTIFICATE)) {
		enum sense_status status = sense_ca_init(&what, &made_passphrase, err);
		if (status)
			return status;
		sense_log(
		    SENSE_LOG_INFO, "ca",
		    "a new CA was made in %s; keep copies of its keys and of the passphrase apart from each other: "
		    "without them all agents must be enrolled anew",
		    serve->dir);
	}
	return sense_ca_public_read(serve->dir, &serve->ca, err);
}

static enum sense_status begin(const struct sense_conf *conf, sense_error *err)
{
	struct sense_serve *serve = &sense_serve;
	enum sense_status status = texts_take(conf, err);
	if (!status)
		status = ca_take(err);
	if (status)
		return status;
	serve->slots = slots_of(conf);
	serve->signer_config = (struct sense_signer_config){
	    .dir = serve->dir,
	    .names = serve->name_list,
	    .name_count = serve->name_count,
	    .ends = sense_serve_end_of_worker(serve->slots - 1, 1) + 1,
	};
	serve->signer = sense_signer_new(&serve->signer_config, err);
	serve->begun = serve->signer != NULL;
	return serve->begun ? SENSE_OK : err->status;
}

enum sense_status sense_serve_check(const struct sense_conf *conf, sense_error *err)
{
	if (!sense_serve.begun)
		return begin(conf, err);
	if (strcmp(sense_serve.dir, sense_conf_text(conf, SENSE_SERVER_KEY_SERVER_DIR)))
		return sense_fail(
		    err, SENSE_E_CONFIG, "config",
		    "server.dir cannot change while the server runs: end it, and start it again");
	const char *url = sense_conf_text(conf, SENSE_SERVER_KEY_DATABASE_URL);
	if (sense_serve.embedded ? *url != '\0' : strcmp(sense_serve.conninfo, url) != 0)
		return sense_fail(
		    err, SENSE_E_CONFIG, "config",
		    "database.url cannot change while the server runs: end it, and start it again");
	if (slots_of(conf) > sense_serve.slots)
		return sense_fail(err, SENSE_E_CONFIG, "config",
		                  "server.workers can be %u at most until the server is started anew",
		                  sense_serve.slots);
	return SENSE_OK;
}

/* ---- the whole ---------------------------------------------------------------------------------------- */

static const struct sense_child children[] = {
    {.name = "stores", .policy = SENSE_CHILD_KEEP, .privileged = true, .main = sense_serve_stores},
    {.name = "migrate", .policy = SENSE_CHILD_ONCE, .privileged = true, .main = sense_serve_migrate},
    {.name = "signer", .policy = SENSE_CHILD_KEEP, .privileged = true, .main = sense_serve_signer},
    {.name = "renewal",
     .policy = SENSE_CHILD_KEEP,
     .privileged = true,
     .anew = true,
     .main = sense_serve_renewal},
    {.name = "jobs", .policy = SENSE_CHILD_KEEP, .anew = true, .main = sense_serve_jobs},
};

static enum sense_status (*const metrics[])(sense_error *err) = {sense_serve_metrics, NULL};

const struct sense_server_assembly sense_serve_assembly = {
    .children = children,
    .child_count = sizeof children / sizeof *children,
    .parts = &sense_serve_part,
    .part_count = 1,
    .metrics = metrics,
    .check = sense_serve_check,
};
