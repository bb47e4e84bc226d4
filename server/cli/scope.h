/*
 * What commands about a fleet are about: an organization, one of its groups, agents or bundles, by the names
 * that people have for them. All say on stderr what is wrong.
 */
#ifndef SENSE_SERVER_CLI_SCOPE_H
#define SENSE_SERVER_CLI_SCOPE_H

#include "server/cli/admin.h"
#include "server/policy/pack.h"

/* That of --org; without it the only one that there is. */
bool sense_scope_org(struct sense_admin *admin, const struct sense_server_cli *cli,
                     char out[SENSE_UUID_TEXT]);
bool sense_scope_group(struct sense_admin *admin, const char *org, const char *name,
                       char out[SENSE_UUID_TEXT]);
/* By its id, or by a host's name that no other agent has. */
bool sense_scope_agent(struct sense_admin *admin, const char *org, const char *name,
                       char out[SENSE_UUID_TEXT]);
/* By at least eight of the first digits of its hash. */
bool sense_scope_bundle(struct sense_admin *admin, const char *org, const char *digits,
                        char out[SENSE_PACK_HEX]);
/* A bundle itself, looked over. */
bool sense_scope_pack(struct sense_admin *admin, const char *org, const char *hex, struct sense_pack *out);

/* One of several things that a command does. */
struct sense_scope_action {
	const char *name;
	unsigned operands_min, operands_max; /* behind its name */
	const char *operands;                /* "HASH" */
	bool all;                            /* without --org of all organizations: org is NULL then */
	/* The organization is found, and the database open. The exit code. */
	int (*run)(struct sense_admin *admin, const struct sense_server_cli *cli, const char *org);
	/* Before that; the exit code, or -1: go on. May be NULL. */
	int (*before)(const struct sense_server_cli *cli, const struct sense_conf *conf);
	void (*after)(void); /* in any case, when `before` was called; may be NULL */
};

/* Runs the action that the first operand names; actions ends with name NULL. The exit code. */
int sense_scope_run(const struct sense_server_cli *cli, const struct sense_conf *conf,
                    const struct sense_scope_action *actions);

#endif
