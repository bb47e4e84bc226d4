/*
 * `sense-server policy` and what its files share: bundles of policies and their rollouts. Works on the
 * database and, to sign, on the CA's directory; a server that runs hears of what changed and tells its
 * agents.
 */
#ifndef SENSE_SERVER_CLI_POLICY_H
#define SENSE_SERVER_CLI_POLICY_H

#include "server/cli/scope.h"

/* ---- policy_show.c ---- */
int sense_policy_cli_show(struct sense_admin *admin, const struct sense_server_cli *cli, const char *org);
int sense_policy_cli_diff(struct sense_admin *admin, const struct sense_server_cli *cli, const char *org);

/* ---- policy_roll_out.c ---- */
int sense_policy_cli_unlock(const struct sense_server_cli *cli, const struct sense_conf *conf);
void sense_policy_cli_lock(void);
int sense_policy_cli_roll_out_before(const struct sense_server_cli *cli, const struct sense_conf *conf);
int sense_policy_cli_roll_out(struct sense_admin *admin, const struct sense_server_cli *cli, const char *org);
int sense_policy_cli_rollback(struct sense_admin *admin, const struct sense_server_cli *cli, const char *org);
/* "5%" or "5" as a share, text for the database. False: said on stderr. */
bool sense_policy_cli_share(const char *text, char *out, size_t cap);

/* ---- policy_status.c ---- */
int sense_policy_cli_status(struct sense_admin *admin, const struct sense_server_cli *cli, const char *org);

#endif
