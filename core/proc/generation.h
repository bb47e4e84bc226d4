/*
 * Generations of policies, as the supervisor keeps them: the set at work, a candidate that a worker is
 * loading, and what came of the latest attempt.
 *
 * Texts are read here and run by the worker. Its word on whether they load is taken, since it runs them;
 * which texts are good is kept here, in memory that no worker can write. A set that does not load, or
 * that a worker dies of, changes nothing but the latest attempt.
 *
 * Of several workers the first is the pilot: it loads a set before all others, and what it has at work is good.
 * The rest follow, each in its own time; an attempt is over when all have the set. One that cannot load what
 * the pilot could has to begin anew, with that set.
 */
#ifndef SENSE_PROC_GENERATION_H
#define SENSE_PROC_GENERATION_H

#include "core/shared/crew.h"
#include "core/shared/ipc.h"

#define SENSE_ATTEMPT_PROBLEMS_MAX 200u
#define SENSE_ATTEMPT_TEXT_MAX ((size_t)128 << 10)

/* Where policies come from: the caller's. Strings may be NULL or empty for 'none'. */
struct sense_policies {
	void *self;
	/* Adds what is on disk now; the bundle is sealed by the caller. */
	enum sense_status (*read)(void *self, struct sense_bundle *out, sense_error *err);
	const char *const *paths; /* read() reads below them */
	unsigned path_count;
	bool watch;             /* reload when something changes below paths */
	const char *last_good;  /* file that the set at work is kept in */
	const char *group;      /* whose members may ask for the status there; or NULL */
	const char *socket;     /* of the control socket (core/service/control.h) */
};

enum sense_attempt_result {
	SENSE_ATTEMPT_NONE, /* there was none yet */
	SENSE_ATTEMPT_PENDING,
	SENSE_ATTEMPT_LOADED,
	SENSE_ATTEMPT_REFUSED, /* the policies are wrong, or cannot be read */
	SENSE_ATTEMPT_CRASHED  /* the worker did not survive them */
};
const char *sense_attempt_name(enum sense_attempt_result result);

struct sense_attempt {
	uint64_t ticket; /* counts attempts */
	enum sense_attempt_result result;
	uint64_t at_us;          /* microseconds since the epoch */
	unsigned problems;       /* all */
	unsigned problems_kept;
	struct sense_buf text;   /* the first of them, each with a NUL behind it */
	char hash[SENSE_BUNDLE_HASH_MAX];
};

struct sense_generation {
	uint64_t number; /* from 1; 0: none was loaded yet */
	uint64_t ticket;
	char hash[SENSE_BUNDLE_HASH_MAX];
	uint64_t loaded_us; /* when, since the epoch */
	uint64_t took_us;
	unsigned files, rules;
	unsigned params; /* settings that a server sent with them */
	uint64_t saved_us; /* it is the last good set, of that time; 0: it is the configured one */
};
/* "28 rules in 17 files" */
#define SENSE_GENERATION_TEXT_MAX 48u
const char *sense_generation_text(const struct sense_generation *generation,
                                  char out[SENSE_GENERATION_TEXT_MAX]);

struct sense_generations {
	const struct sense_policies *policies;
	struct sense_crew *crew;
	uint64_t has[SENSE_WORKERS_MAX]; /* ticket of what each worker has at work; 0: it is only starting */
	bool following; /* the pilot has the set of the attempt at work, not all others have */
	struct sense_bundle good, candidate; /* sealed; count and hash are theirs */
	struct sense_generation now;
	struct sense_attempt last; /* of a reload, or of the start */
	uint64_t candidate_saved_us;
	bool has_candidate;
	bool fell_back;
	void *self; /* for say */
	void (*say)(void *self, enum sense_log_level level, const char *text);
};

/*
 * Reads the configured policies as the first candidate; where they cannot be read, the last good set.
 * The caller set policies, crew, self and say, all else zero.
 */
enum sense_status sense_generations_begin(struct sense_generations *all, sense_error *err);
void sense_generations_end(struct sense_generations *all);

/* What a worker that starts now begins with, and its ticket. */
const struct sense_bundle *sense_generations_first(const struct sense_generations *all, uint64_t *ticket);

/*
 * Reads what is on disk and hands it to the worker. False: that attempt is already over, its policies
 * could not be read. Not while one is pending.
 */
bool sense_generations_reload(struct sense_generations *all);
static inline bool sense_generations_pending(const struct sense_generations *all)
{
	return all->last.result == SENSE_ATTEMPT_PENDING;
}

/* What the pilot finds wrong. */
void sense_generations_problem(struct sense_generations *all, const char *text);
enum sense_generations_step {
	SENSE_GENERATIONS_WAIT, /* nothing came to an end */
	SENSE_GENERATIONS_OVER, /* the attempt did */
	SENSE_GENERATIONS_ANEW  /* this worker must begin anew */
};
enum sense_generations_step sense_generations_loaded(struct sense_generations *all, unsigned worker,
                                                     const struct sense_ipc_loaded *loaded);
/*
 * A worker died: `how` in words. True when it was the pilot, loading the candidate, which is then given up.
 */
bool sense_generations_died(struct sense_generations *all, unsigned worker, const char *how);
/* Workers that have not the set at work, which is 0 but for the time that they take to follow. */
unsigned sense_generations_behind(const struct sense_generations *all);
/*
 * The policies to begin with are of no use. True when there is a last good set, which the next worker
 * then takes.
 */
bool sense_generations_fall_back(struct sense_generations *all);

/* Whether the disk holds what is at work: its hash, or in err why it cannot be read. */
enum sense_status sense_generations_disk(const struct sense_generations *all,
                                         char hash[SENSE_BUNDLE_HASH_MAX], sense_error *err);

/* ---- the last good set on disk (core/proc/last_good.c) ---- */

/* Replaces the file whole, mode 0600. */
enum sense_status sense_last_good_write(const char *path, const struct sense_bundle *bundle, sense_error *err);
/* Refused: what somebody else may have written, or is damaged. *saved_us: when it was written. */
enum sense_status sense_last_good_read(const char *path, struct sense_bundle *out, uint64_t *saved_us,
                                       sense_error *err);

#endif
