/*
 * The supervisor's side of the fleet: starts the uplink's process and starts it again, feeds it from the spool, and
 * acknowledges there what the server keeps.
 *
 * What the process says was in the hands of strangers, and is checked: it can acknowledge no finding that it was not
 * given, hand in no certificate but one of our own key and CA, and no policies but signed ones. All it could do to
 * findings is to acknowledge what it was given.
 *
 * Findings are given out against room that the process says it has, behind the sequence it names: a process that died,
 * or lost its server, begins anew behind what the server keeps, so that nothing is lost or doubled with it.
 */
#ifndef SENSE_LINK_LINK_H
#define SENSE_LINK_LINK_H

#include <sys/types.h>

#include "core/base/buf.h"
#include "core/spool/spool.h"
#include "proto/manifest.h"

#define SENSE_LINK_TEXT_MAX 256u

/* Of the server. Borrowed for the call. */
struct sense_link_command {
	const char *name;
	unsigned argument_count;
	struct {
		const char *name, *value;
	} arguments[SENSE_MESSAGE_ARGUMENTS_MAX];
};

struct sense_link_config {
	const char *plugins_dir, *agent_dir;
	sense_spool *spool;         /* NULL: there are no findings to be had */
	const char *const *servers; /* none: those of the identity */
	unsigned server_count;
	const char *proxy;
	uint64_t bandwidth;
	uint32_t retry_min_ms, retry_max_ms, call_ms; /* 0: as usual */
	const char *version;
	void *self;
	/* What a heartbeat tells beside the time: texts live until the next call. May be NULL. */
	void (*health)(void *self, struct sense_message_heartbeat *out);
	/* In the uplink's process, before all else. May be NULL. */
	void (*leave)(void *self);
	/* Policies from the server lie on the disk (core/link/managed.h) and are to be put to work. May be NULL. */
	void (*reload)(void *self);
	/* Carries a command out. What it has to show goes to output. Why it is refused; NULL: done. May be NULL. */
	const char *(*command)(void *self, const struct sense_link_command *command,
	                       struct sense_buf *output);
	/* Rule number i of those at work, its texts good until the next call. False: there is none. May be NULL. */
	bool (*rule)(void *self, uint32_t i, struct sense_message_rule *out);
};

typedef struct sense_link sense_link;

/* NULL: see err; SENSE_E_NOTFOUND when this agent is not enrolled. What config points to must outlive the link. */
sense_link *sense_link_new(const struct sense_link_config *config, sense_error *err);
void sense_link_free(sense_link *link); /* NULL is fine; ends the process */
/* What is due, ten times a second or so. elapsed_ms: since the last call. */
void sense_link_look(sense_link *link, unsigned elapsed_ms);

/* Policies of the server were loaded, or refused, problem then says why: the server is told. */
void sense_link_loaded(sense_link *link, const struct sense_manifest *manifest, bool loaded,
                       const char *problem);

struct sense_link_status {
	char agent[40], organization[40];
	bool connected;
	pid_t pid; /* 0: none at this moment */
	char server[SENSE_LINK_TEXT_MAX];
	uint64_t since_us;                 /* of the session, or of there being none; since the epoch */
	uint64_t through;                  /* the last finding that the server keeps */
	uint64_t waiting;                  /* findings that it does not */
	uint64_t refused;                  /* that the server could not read */
	uint64_t sessions;                 /* that began */
	unsigned restarts;                 /* of the process */
	char problem[SENSE_LINK_TEXT_MAX]; /* the latest; "": there was none yet */
	uint64_t problem_us;
	int64_t certificate_until; /* seconds since the epoch */
	uint64_t policies;         /* generation of the server's policies that is at work; 0: none is */
};
void sense_link_status(const sense_link *link, struct sense_link_status *out);

#endif
