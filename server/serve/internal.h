/* What the parts of server/serve/ share. */
#ifndef SENSE_SERVER_SERVE_INTERNAL_H
#define SENSE_SERVER_SERVE_INTERNAL_H

#include <limits.h>

#include "server/embedded/embedded.h"
#include "server/pki/ca.h"
#include "server/pki/signer.h"
#include "server/serve/serve.h"

/* Made by the master, inherited by all. What the first configuration says of it stays until the server ends. */
struct sense_serve {
	bool begun;
	bool embedded; /* this server's own stores */
	char dir[PATH_MAX];
	char conninfo[512];
	char redis[256]; /* "unix:///path" or "redis://host:port" */
	char names[16][256];
	const char *name_list[16];
	unsigned name_count;
	unsigned slots; /* of workers, that the signer has ends for */
	struct sense_ca_public ca;
	sense_signer *signer;
	struct sense_signer_config signer_config;
};

extern struct sense_serve sense_serve;

/* Checks a configuration, and with the first one makes what the processes share: a CA, too, when there is none. */
enum sense_status sense_serve_check(const struct sense_conf *conf, sense_error *err);
/* The signer's end of a process of the server. */
unsigned sense_serve_end_of_worker(unsigned slot, unsigned generation);
#define SENSE_SERVE_END_JOBS 1u

/* Mains of children; `self` is not used. */
int sense_serve_stores(void *self, void *config, struct sense_server_process *process);
int sense_serve_migrate(void *self, void *config, struct sense_server_process *process);
int sense_serve_signer(void *self, void *config, struct sense_server_process *process);
int sense_serve_renewal(void *self, void *config, struct sense_server_process *process);
int sense_serve_jobs(void *self, void *config, struct sense_server_process *process);

extern const struct sense_worker_part sense_serve_part;

#endif
