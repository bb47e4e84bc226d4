/*
 * The engine: packets in, findings out.
 *
 *   capture -> decode -> flow table -> dissectors and classifier -> event -> rules -> finding
 *
 * One engine is one thread's. It does no I/O but what the capture plugin does; what it finds goes to
 * the sink. `run`, `replay` and the rule tools all use this one.
 */
#ifndef SENSE_ENGINE_ENGINE_H
#define SENSE_ENGINE_ENGINE_H

#include "core/base/status.h"
#include "core/flow/table.h"
#include "core/rules/activity.h"
#include "core/rules/script.h"
#include "core/rules/throttle.h"
#include "proto/flowrecord.h"

typedef struct sense_engine sense_engine;
struct sense_engine_stats;
struct sense_board;

/* Where results go. Structs and strings are borrowed for the call. Members may be NULL. */
struct sense_sink {
	void *self;
	void (*finding)(void *self, const struct sense_finding *finding);
	void (*flow)(void *self, const struct sense_flowrecord *record); /* as it leaves */
	/* A rule's script failed; told once for each rule and kind of failure. */
	void (*script_error)(void *self, const struct sense_rule *rule, const sense_error *err);
	/* An event is about to be matched: for tools that explain it. */
	void (*event)(void *self, const struct sense_event *event);
	/* A batch was read and is about to be worked through; its packets and bytes are counted.
	   False stops the run after it. */
	bool (*batch)(void *self, const struct sense_engine_stats *stats);
};

/* How a rule is broken on purpose, so that it shows whether its tests notice. */
enum sense_mutation {
	SENSE_MUTATION_FLIPPED, /* holds where it would not, and does not where it would */
	SENSE_MUTATION_NEVER,
	SENSE_MUTATION_ALWAYS, /* holds for every event that it takes */
	SENSE_MUTATIONS
};

struct sense_mutant {
	uint32_t rule; /* number + 1; 0: none is */
	enum sense_mutation how;
};

struct sense_engine_config {
	const struct sense_classifier_ops *classifier; /* NULL: flows stay unclassified */
	const sense_catalogue *catalogue;
	const sense_ruleset *rules;
	struct sense_script script;         /* self NULL: rules without scripts only */
	struct sense_throttle *throttle;    /* NULL: nothing is throttled */
	struct sense_activities *activities; /* NULL: indicators are not added up */
	const struct sense_board *board;    /* whose flow is whose; NULL: nobody says */
	const uint64_t *quarantine;         /* bit per rule number that must not run; or NULL */
	struct sense_sink sink;
	struct sense_mutant mutant; /* for tests of tests */
	bool observed_too; /* tell findings of rules that only observe */
	bool hit_flows_only; /* sink.flow is told of flows that some rule held for, and no others */
	uint32_t max_flows;
	uint32_t max_names;        /* entries of the DNS name cache */
	uint64_t idle_timeout_us;  /* 0: flows leave at the end or when room is needed */
	uint64_t update_every_us;  /* flow.update at least this often for a live flow */
	uint32_t update_every_kib; /* ... and after this much traffic */
};

/* All counters since sense_engine_new; nothing that was not evaluated goes uncounted. */
struct sense_engine_stats {
	uint64_t packets;
	uint64_t bytes; /* on the wire */
	uint64_t not_ip, truncated, malformed, unknown_link;
	uint64_t fragments, fragments_lost;
	uint64_t flows, flows_evicted, flows_expired;
	uint32_t flows_live, flows_peak;
	uint64_t classified, hellos, hellos_missed, http_requests, dns_messages;
	uint64_t events, script_calls, script_errors;
	uint64_t findings, suppressed;
	uint64_t observed; /* findings of rules with action "observe", which are not told unless asked for */
	uint64_t activities, activities_evicted, activity_events;
	uint64_t activities_untold;  /* grew, but more did at one event than are told */
	uint64_t assemblies_dropped; /* hellos given up because too many were half read */
	uint64_t out_of_memory; /* flows or metadata given up for want of memory */
	uint64_t attributed; /* flows whose process is known */
	uint64_t unattributed; /* flows of an address of this host that left without */
	uint64_t first_ts, last_ts; /* of the capture, microseconds */
};

sense_engine *sense_engine_new(const struct sense_engine_config *config, sense_error *err);
void sense_engine_free(sense_engine *engine);

/*
 * Reads an opened capture to its end. On failure what came before the fault has been evaluated.
 * Flows go on from one capture to the next (the files of a ring) until sense_engine_finish; a capture
 * that begins before the one before it ended is another story, and ends all flows first. `name` is for
 * messages; SENSE_E_UNSUPPORTED: some packets were of a link type that is not read.
 */
enum sense_status sense_engine_run(sense_engine *engine, const struct sense_capture_ops *ops,
                                   void *capture, const char *name, sense_error *err);
/* Ends all flows: classifies what is undecided, raises flow.end. */
void sense_engine_finish(sense_engine *engine);

/*
 * The time of day, of a capture that goes on while no packet comes: what is due by it is done. A clock that
 * was set back by more than a few seconds sets the engine's back, too.
 */
void sense_engine_clock(sense_engine *engine, uint64_t now_us);

/*
 * Goes on with other rules, between two events: from within sink.batch, or while `run` is not running. Flows,
 * names and counters stay; sense_engine_rule_stats begins anew. What it had before is the caller's to free
 * afterwards. On failure nothing changed.
 */
enum sense_status sense_engine_swap(sense_engine *engine, const sense_ruleset *rules,
                                    const struct sense_script *script, const uint64_t *quarantine,
                                    sense_error *err);

/*
 * An event that no packet brought: of a host plugin, or made up by a test. `host` among the values
 * is looked up in the catalogue; time is the event's own and moves no clock.
 */
void sense_engine_event(sense_engine *engine, enum sense_event_kind kind, uint64_t ts_us,
                        const struct sense_given *given);

/* Up to date when it returns; the pointer is good as long as the engine. */
const struct sense_engine_stats *sense_engine_stats(sense_engine *engine);

/* What one rule did since sense_engine_new, or since it came by sense_engine_swap. */
struct sense_rule_stats {
	uint64_t matched;    /* events whose `match` held */
	uint64_t held;       /* ... and whose `when` did */
	uint64_t findings;   /* that went out, or would have if the rule did not only observe */
	uint64_t suppressed; /* held back by its throttle */
	uint64_t errors;     /* failures of its script */
	uint64_t skipped;    /* events whose `match` held while it was in quarantine */
	uint64_t last_ts;    /* when it held last, microseconds since the epoch */
};
const struct sense_rule_stats *sense_engine_rule_stats(const sense_engine *engine, unsigned rule);

#endif
