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

/* ---- what the child says ------------------------------------------------------------------------------- */

/*
 * One packet: its kind, then a number (u32, this machine's order)
 *   file     it begins with the file of this number
 *   problem  in this line; then file, rule, key and message, each with a NUL, an empty one is none
 *   rules    it is done, and there are so many
 *   failed   0, then a sentence
 */
enum { SENSE_VET_FILE = 'f', SENSE_VET_PROBLEM = 'p', SENSE_VET_RULES = 'r', SENSE_VET_FAILED = '!' };

/* What was heard so far. */
struct sense_vet_hearing {
	const struct sense_policy_sources *sources;
	struct sense_report *report;
	unsigned *rules;
	_Atomic uint32_t *denied; /* a system call that was refused + 1 */
	uint32_t file;            /* below sources->count */
	bool done, failed;
	char why[SENSE_ERROR_MESSAGE_MAX];
};

/* Takes a packet, whatever is in it. */
void sense_vet_packet(struct sense_vet_hearing *hearing, const char *packet, size_t len);

#endif
