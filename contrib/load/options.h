/* What sense-load is to do. */
#ifndef SENSE_LOAD_OPTIONS_H
#define SENSE_LOAD_OPTIONS_H

#include <stdbool.h>
#include <stdint.h>

#define LOAD_SERVERS_MAX 8u
#define LOAD_AGENTS_MAX 60000u

struct load_options {
	const char *servers[LOAD_SERVERS_MAX];
	unsigned server_count;
	const char *ca;       /* file: the CA's certificate */
	const char *ca_dir;   /* the CA's directory: certificates are made here */
	const char *database; /* for libpq: agents are put in */
	const char *org;
	const char *token; /* agents enrol instead */
	unsigned enrol_parallel;
	bool enrol_only;
	unsigned agents;
	double rate;     /* findings a second, of all agents */
	bool rate_max;   /* as many as the server takes */
	uint64_t total;  /* findings; 0: no end */
	double seconds;  /* 0: no end */
	double drain;    /* seconds, at most, for what is not acknowledged at the end */
	unsigned batch;  /* findings */
	double delay;    /* seconds that a finding waits for others of its batch */
	unsigned window; /* batches under way of one agent */
	double ramp;     /* connections a second */
	double heartbeat; /* seconds; below 0: as the server says; 0: none */
	double timeout;   /* seconds without an answer to what was asked */
	double retry;     /* seconds between two connections of an agent, at most */
	unsigned sources; /* addresses 127.0.0.1 and on, that agents connect from */
	uint64_t seed;
	const char *state; /* file: what agents have in their spools */
	const char *ids;   /* file: ids of findings */
	uint64_t wait_policy;
	unsigned policy_rules;
	double every; /* seconds between two lines about how it goes; 0: none */
	bool json;
};

/* -1: go on; otherwise the exit code, everything having been said. */
int load_options_read(int argc, char **argv, struct load_options *options);

#endif
