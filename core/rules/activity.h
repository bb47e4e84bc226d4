/*
 * Activities: what indicators about one subject add up to.
 *
 * A rule with an `indicator` is evidence of some weight that a user (or an address, or this host), by
 * some program, uses a subject: a service, a tool. The strongest indicator of each kind counts, its weight
 * halved each `activity.half_life`, and the kinds together prove
 *
 *     confidence = 1 - (1 - w1) (1 - w2) ... (1 - wn)
 *
 * in percent: each would miss by itself with the probability 1 - w, and all are wrong only when each is.
 * This is the noisy-or of Pearl, Probabilistic Reasoning in Intelligent Systems (1988), section 4.3.2. It
 * holds for causes that are independent of each other, so what is of one kind never counts twice.
 *
 * State lives in memory that the caller gives and several workers may share, as that of the throttle
 * (core/rules/throttle.h): no pointers, no locks; what belongs to whom is one word that changes by
 * compare-and-swap, and a state that does not fit its owner is none. So it survives a worker that dies in
 * the middle, and whatever one gone wrong writes there can be no worse than a wrong number or text.
 *
 * Time is that of the event. Evidence fades with the distance in time, so that a clock that leaps back far
 * (the next file of a replay) begins anew, and a packet out of order changes nothing.
 */
#ifndef SENSE_RULES_ACTIVITY_H
#define SENSE_RULES_ACTIVITY_H

#include "core/rules/rule.h"

#define SENSE_ACTIVITY_KINDS_MAX 8 /* of one activity; beyond that the weakest goes */
#define SENSE_ACTIVITY_TEXT_MAX 96 /* bytes of an indicator's text, with its NUL */
#define SENSE_ACTIVITY_SUBJECT_MAX 256
#define SENSE_ACTIVITY_RISE 10 /* points of confidence that are worth another event */

/* A handle, private to the process; the memory it points to is the caller's. */
struct sense_activities {
	struct sense_activity_table *table;
	struct sense_activity_body *bodies;
	uint64_t bucket_mask;
	uint64_t seed;
	double half_life_s;
};

/* Bytes for about this many activities. */
size_t sense_activities_bytes(unsigned entries);

/*
 * Takes the memory (aligned to 64) into use. It is zeroed, or as an earlier worker left it, which is kept;
 * anything else is forgotten. SENSE_E_LIMIT when there are fewer than sense_activities_bytes(1) bytes. A
 * half-life under a second counts as one.
 */
enum sense_status sense_activities_attach(struct sense_activities *activities, void *memory, size_t bytes,
                                          uint64_t half_life_us, sense_error *err);

/* What became of an indicator. */
struct sense_activity_step {
	uint64_t key; /* of the activity it belongs to */
	bool begun;   /* which was not known before */
	bool evicted; /* another was forgotten to make room */
	bool arrived; /* the activity had no indicator of this kind, or had forgotten it */
};

/* Adds the indicator of a rule that holds for the event. False when the event has no subject: nothing is. */
bool sense_activity_add(struct sense_activities *activities, const struct sense_rule *rule,
                        const struct sense_event *event, struct sense_activity_step *step);

/* The view that an activity event carries, and what it points to. Texts are clean UTF-8. */
struct sense_activity_report {
	struct sense_activity_view view; /* subject and kind are the caller's to fill in */
	const char *evidence[SENSE_ACTIVITY_KINDS_MAX];
	char texts[SENSE_ACTIVITY_KINDS_MAX][SENSE_ACTIVITY_TEXT_MAX];
	char subject[SENSE_ACTIVITY_SUBJECT_MAX];
};

/*
 * True when there is something to tell of an activity to which indicators were added: one of a kind that it
 * did not have (arrived), a confidence SENSE_ACTIVITY_RISE points above the one told last, or the first that
 * is conclusive. What is told is remembered, for all who share the memory.
 */
bool sense_activity_tell(struct sense_activities *activities, uint64_t key, uint64_t ts_us, bool arrived,
                         struct sense_activity_report *report);

/* What the indicator is about in this event. False when that is not known. */
bool sense_activity_subject(const struct sense_indicator *indicator, const struct sense_event *event,
                            char out[SENSE_ACTIVITY_SUBJECT_MAX]);
/* Its kind: the one it names, else the first word of the event's name. */
const char *sense_activity_kind(const struct sense_indicator *indicator, const struct sense_event *event);

#endif
