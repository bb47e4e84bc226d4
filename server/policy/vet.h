/*
 * Whether policies are good: loaded by the very code with which sense-agent loads them (lua/station.h), in a
 * child that has given up files, network, privileges and nearly all system calls before it runs the first
 * line of them. Whoever calls this has no keys unlocked and no connection to the database.
 *
 * What the child says is that of a process in which foreign code ran: it is bounded, and believed in what it
 * says about these policies alone.
 */
#ifndef SENSE_SERVER_POLICY_VET_H
#define SENSE_SERVER_POLICY_VET_H

#include "lua/policy.h"

/*
 * SENSE_E_CONFIG: there are mistakes, which the report has; or the child did not come to its end, and err
 * says in which file it was. *rules: how many there are.
 */
enum sense_status sense_vet_policies(const struct sense_policy_sources *sources, unsigned *rules,
                                     struct sense_report *report, sense_error *err);

/*
 * Runs the tests beside the policies as `sense-agent test` does, which reads files, in a child that can only
 * read them. Prints what it has to say. False: a test failed, or there is none.
 */
bool sense_vet_tests(const char *dir, sense_error *err);

#endif
