/*
 * The processes of this host, as the sensors tell them: who started whom, and what ended a moment ago, so
 * that a flow or a child that outlives its program still finds it.
 *
 * Bounded: SENSE_ROSTER_MAX processes (beyond that the one that ended longest ago goes, else the new one is
 * refused and counted), texts as given below. One thread.
 */
#ifndef SENSE_HOST_ROSTER_H
#define SENSE_HOST_ROSTER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "core/host/board.h"

#define SENSE_ROSTER_MAX 262144u
#define SENSE_ROSTER_KEEP_US UINT64_C(60000000) /* after its end */
#define SENSE_ROSTER_DEPTH 16u                  /* ancestors that are looked at */

/* Texts of a process, cut at so many bytes; "" when not known. */
#define SENSE_ROSTER_TEXTS(X)                                                                      \
	X(name, 64)                                                                                \
	X(path, 512)                                                                               \
	X(command, 1024)                                                                           \
	X(cwd, 256)                                                                                \
	X(user, 64)                                                                                \
	X(hash, 64)                                                                                \
	X(container, 96)                                                                           \
	X(tool, 64)                                                                                \
	X(unattended, 64)                                                                          \
	X(markers, 128)                                                                            \
	X(ancestors, 192)                                                                          \
	X(agent, 64)

/* What is handed in, and what is kept: texts are copied. */
struct sense_roster_process {
	uint32_t pid, parent, uid;
	uint64_t start_us;
	uint64_t exit_us; /* 0: it runs */
#define SENSE_ROSTER_TEXT(member, max) const char *member;
	SENSE_ROSTER_TEXTS(SENSE_ROSTER_TEXT)
#undef SENSE_ROSTER_TEXT
	struct sense_board_place place; /* where its record stands; number 0: it has none */
	bool told; /* an event said that it runs */
};

typedef struct sense_roster sense_roster;

sense_roster *sense_roster_new(void); /* NULL: no memory */
void sense_roster_free(sense_roster *roster);

/*
 * A process begins, or more is known of it: of the same pid and start the known texts stay where the new
 * ones are NULL or "". `executes`: it has become another program, of which no more than its name and whose
 * it is can have been known. Its ancestors and the agent among them are worked out here. NULL: no room. The
 * entry is good until the next call that changes the roster.
 */
struct sense_roster_process *sense_roster_put(sense_roster *roster, const struct sense_roster_process *process,
                                              bool executes);
struct sense_roster_process *sense_roster_find(sense_roster *roster, uint32_t pid);
void sense_roster_end(sense_roster *roster, uint32_t pid, uint64_t ts_us);
/* Forgets those that ended a minute before. */
void sense_roster_expire(sense_roster *roster, uint64_t now_us);
/* Those that run: *cursor begins with 0. NULL: that was the last. */
struct sense_roster_process *sense_roster_next(sense_roster *roster, uint32_t *cursor);
uint32_t sense_roster_count(const sense_roster *roster);   /* those that ended included */
uint64_t sense_roster_refused(const sense_roster *roster); /* for want of room */

#endif
