/*
 * The memory that a supervisor and one worker share: what the worker is doing now, its counters,
 * the rules it runs and the batch it is about to send. Common to all workers of a run (core/shared/crew.h)
 * are the quarantine, which they can only read, and the memory of rules.
 *
 * Policies go the other way, from the supervisor to the worker: core/shared/mailbox.h.
 *
 * Made before the worker is forked, so both hold it at the same address. The worker may be under an
 * attacker's control: the supervisor copies each value once, takes no size, index or pointer from
 * here without a check, and keeps its own handle, which the worker's writes cannot reach. It
 * outlives a worker, so counters add up over restarts and nothing put into the batch is lost.
 */
#ifndef SENSE_SHARED_PAGE_H
#define SENSE_SHARED_PAGE_H

#include <stdatomic.h>

#include "core/base/mark.h"
#include "core/base/status.h"
#include "core/shared/mailbox.h"

#define SENSE_SHARED_RULE_ID_MAX 104 /* ids have 100 bytes at most (lua/sense/policy.lua) */
#define SENSE_SHARED_BATCH_BYTES 49152u

enum sense_phase {
	SENSE_PHASE_START,
	SENSE_PHASE_LOAD,  /* policies, catalogue, plugins */
	SENSE_PHASE_RUN,   /* packets */
	SENSE_PHASE_DRAIN, /* the last flows */
	SENSE_PHASE_DONE
};

/* Name, in --stats order, and what it counts. */
#define SENSE_COUNTERS(X)                                                                          \
	X(PACKETS, "packets", "packets read")                                                      \
	X(BYTES, "bytes", "their bytes on the wire")                                               \
	X(FIRST_TS, "first_ts", "first packet, microseconds since the epoch")                      \
	X(LAST_TS, "last_ts", "latest packet")                                                     \
	X(FLOWS, "flows", "flows seen")                                                            \
	X(FLOWS_EVICTED, "flows_evicted", "flows ended early to make room")                        \
	X(FLOWS_EXPIRED, "flows_expired", "flows ended for being idle")                            \
	X(FLOWS_PEAK, "flows_peak", "most flows at one time")                                      \
	X(NOT_IP, "undecodable_not_ip", "packets that carry no IP")                                \
	X(TRUNCATED, "undecodable_truncated", "packets cut before addresses and ports")            \
	X(MALFORMED, "undecodable_malformed", "packets whose lengths contradict each other")       \
	X(UNKNOWN_LINK, "undecodable_unknown_link", "packets of a link type that is not read")     \
	X(FRAGMENTS, "fragments", "IP fragments")                                                  \
	X(FRAGMENTS_LOST, "fragments_lost", "datagrams whose fragments never were complete")       \
	X(CLASSIFIED, "classified", "flows that the classifier named")                             \
	X(HELLOS, "client_hellos", "TLS and QUIC ClientHellos read")                               \
	X(HELLOS_MISSED, "client_hellos_missed", "TLS flows whose hello was not captured")         \
	X(HTTP_REQUESTS, "http_requests", "HTTP requests read")                                    \
	X(DNS_MESSAGES, "dns_messages", "DNS messages read")                                       \
	X(EVENTS, "events", "events that some rule was looked up for")                             \
	X(SCRIPT_CALLS, "script_calls", "calls of a rule's script")                                \
	X(SCRIPT_ERRORS, "script_errors", "calls that failed")                                     \
	X(FINDINGS, "findings", "findings reported")                                               \
	X(SUPPRESSED, "suppressed", "findings held back by a throttle")                            \
	X(OBSERVED, "observed", "hits of rules that only observe, throttled like findings")         \
	X(ACTIVITIES, "activities", "subjects of users for which indicators began to add up")      \
	X(ACTIVITIES_EVICTED, "activities_evicted", "those forgotten early to make room")          \
	X(ACTIVITY_EVENTS, "activity_events", "activity events raised")                            \
	X(ACTIVITIES_UNTOLD, "activities_untold", "not raised: more than 16 grew at one event")    \
	X(ASSEMBLIES_DROPPED, "client_hellos_dropped", "hellos given up: too many were half read")   \
	X(OUT_OF_MEMORY, "out_of_memory", "flows or metadata given up for want of memory")         \
	X(STATE_ENTRIES, "state_entries", "places that counters of rules have taken")              \
	X(STATE_EVICTED, "state_evicted", "counters of rules forgotten early, to make room")       \
	X(RULES_SUSPENDED, "rules_suspended", "times a rule was suspended for its CPU time")        \
	X(HOST_EVENTS, "host_events", "events of this host")                                       \
	X(HOST_MALFORMED, "host_events_malformed", "messages of the sensor process that did not decode") \
	X(ATTRIBUTED, "flows_attributed", "flows that ended, and whose process was known")         \
	X(UNATTRIBUTED, "flows_unattributed", "flows of this host that ended, and whose process was not") \
	X(DROPPED, "dropped", "results too large to send")

enum sense_counter {
#define SENSE_COUNTER_ENUM(id, name, doc) SENSE_COUNT_##id,
	SENSE_COUNTERS(SENSE_COUNTER_ENUM)
#undef SENSE_COUNTER_ENUM
	    SENSE_COUNTER_COUNT
};
const char *sense_counter_name(enum sense_counter counter);

/* Records on their way to the supervisor (core/shared/ipc.h). */
struct sense_shared_batch {
	uint64_t number; /* of this batch, from 1; a number that was received is not taken again */
	uint32_t used;   /* bytes of data that hold whole records */
	uint32_t reserved;
	uint8_t data[SENSE_SHARED_BATCH_BYTES];
};

struct sense_shared_page {
	/* Written for every scripted call: a line of its own. */
	_Alignas(64) union sense_mark call;
	_Atomic uint64_t taken;   /* packets taken from the capture, counted when a batch is read */
	_Atomic uint64_t done;    /* packets of them that were worked through */
	_Atomic uint32_t live;    /* flows in the table */
	_Atomic uint32_t phase;   /* enum sense_phase */
	_Atomic uint32_t denied;  /* system call that the filter refused + 1; 0: none */
	/* Where to go on after a restart: two, so that a worker killed while it writes leaves one. */
	_Atomic uint32_t place_now; /* index of the valid one */
	struct sense_shared_place {
		_Atomic uint32_t source;
		_Atomic uint64_t position; /* SENSE_POSITION_NONE: the source cannot be resumed */
	} place[2];
	_Atomic uint64_t progress_done; /* bytes of all sources */
	_Atomic uint64_t counter[SENSE_COUNTER_COUNT];
	_Alignas(64) _Atomic uint32_t stop; /* set by the supervisor: end early, report what there is */
	_Atomic uint32_t rule_count;        /* entries of sense_shared.rules; 0 while they change */
	_Atomic uint64_t loading;           /* ticket of the bundle that is being loaded this moment; 0: none */
	_Atomic uint64_t load_steps;        /* of loading policies, since the beginning */
	_Alignas(64) struct sense_shared_batch batch;
};

#define SENSE_POSITION_NONE UINT64_MAX

/* What is counted of each rule; added up over workers, but for last_ts. */
#define SENSE_RULE_COUNTS(X)                                                                       \
	X(matched)    /* events whose `match` held */                                              \
	X(held)       /* ... and whose `when` did */                                               \
	X(findings)   /* that went out, or would have if the rule did not only observe */          \
	X(suppressed) /* held back by its throttle */                                              \
	X(errors)     /* failures of its script */                                                 \
	X(skipped)    /* events that matched while it was in quarantine or suspended */            \
	X(suspended)  /* times it was suspended for its CPU time */                                \
	X(cpu_us)     /* CPU time of its script, by samples */                                     \
	X(last_ts)    /* when it held last, microseconds since the epoch */

struct sense_rule_counts {
#define SENSE_RULE_COUNT(name) uint64_t name;
	SENSE_RULE_COUNTS(SENSE_RULE_COUNT)
#undef SENSE_RULE_COUNT
};

/* Written by the worker when it takes a generation of rules to work, and kept up to date by it. */
struct sense_shared_rule {
	char id[SENSE_SHARED_RULE_ID_MAX];
	_Atomic uint64_t key; /* of its id and the text of its file: what a quarantine is about */
#define SENSE_RULE_COUNT(name) _Atomic uint64_t name;
	SENSE_RULE_COUNTS(SENSE_RULE_COUNT)
#undef SENSE_RULE_COUNT
	struct sense_rule_counts before; /* of the generations and workers before this one; the worker's */
};

/*
 * Rules that must not run, by their keys: a rule is free again when its policy file is another one, and
 * only then, whatever generations come between. Bounded: no further rule finds room.
 */
#define SENSE_QUARANTINE_MAX 1024u
struct sense_quarantine {
	_Atomic uint32_t count; /* grows, behind the key that it is about */
	uint64_t keys[SENSE_QUARANTINE_MAX];
};
static inline uint32_t sense_quarantine_count(const struct sense_quarantine *quarantine)
{
	return atomic_load_explicit(&quarantine->count, memory_order_acquire);
}
bool sense_quarantine_holds(const struct sense_quarantine *quarantine, uint64_t key);

/* Each process has its own; what it points to is shared. */
struct sense_shared {
	struct sense_shared_page *page;
	struct sense_shared_rule *rules; /* rule_max entries */
	const struct sense_quarantine *quarantine; /* only the supervisor can write it */
	struct sense_mailbox mailbox;
	void *extra;                     /* the caller's, zeroed: what rules remember; NULL: none */
	size_t extra_bytes;
	unsigned rule_max;
	size_t mapped;
	struct sense_views quarantine_views;
	bool beside;                     /* quarantine and extra are those of another one */
};

enum sense_status sense_shared_new(struct sense_shared *shared, unsigned rule_max,
                                   size_t extra_bytes, sense_error *err);
/* For one more worker of the same run, which `first` outlives. */
enum sense_status sense_shared_beside(struct sense_shared *shared, const struct sense_shared *first,
                                      sense_error *err);
void sense_shared_free(struct sense_shared *shared);
/* A worker's first acts: it writes its own and nothing of the supervisor's; and nothing of another worker. */
void sense_shared_inherit(struct sense_shared *shared);
void sense_shared_leave(struct sense_shared *shared);

/* The rule of this number as the worker last declared it. False: there is no room for one more. */
bool sense_shared_quarantine(struct sense_shared *shared, unsigned rule);
bool sense_shared_quarantined(const struct sense_shared *shared, unsigned rule);

/* ---- supervisor ---- */

static inline uint64_t sense_shared_count(const struct sense_shared *shared,
                                          enum sense_counter counter)
{
	return atomic_load_explicit(&shared->page->counter[counter], memory_order_relaxed);
}

/* What a rule did so far; zeroes for a rule that there is not. */
void sense_shared_rule_counts(const struct sense_shared *shared, unsigned rule,
                              struct sense_rule_counts *out);

/* A number that changes whenever the worker gets anything done. */
uint64_t sense_shared_sign(const struct sense_shared *shared);

/*
 * The id of a rule as the worker wrote it, safe to print; "rule N" when it wrote none. out holds
 * SENSE_SHARED_RULE_ID_MAX bytes.
 */
void sense_shared_rule_id(const struct sense_shared *shared, unsigned rule, char *out);

#endif
