/* night - what is worked out for each learner once a day, in the hours when nobody looks, and on
 * demand: patterns, predictions, recommendations, tomorrow's mission, upkeep.
 *
 * A step reads what it needs in a few round trips: sums, and of the log only what came since its
 * last run or what its own header says. It calls the twin's pure functions and leaves rows to be
 * written. The rows of all steps of one learner are written in one transaction on a writer thread,
 * which the caches hear of. A step that finds nothing new writes nothing.
 *
 * The runner takes learners whose night has come (02:00 of their own zone by default) one after the
 * other. Several processes share the work: a learner is claimed by moving the row's next night, in
 * the transaction in which the results are written. */
#pragma once
#include "base/civil.h"
#include "ingest/ingest.h"
#include "store/store.h"

struct weights;

enum { NIGHT_BULKS_MAX = 64, NIGHT_ARENA_MAX = 16 << 20, NIGHT_DAYS_AHEAD = 7 };

/* One learner's work. What steps share is read before the first of them. */
struct night_work {
    struct store_conn *conn; /* a reader */
    struct weights *weights; /* borrowed; NULL: each run reads those that it wants (weights.h) */
    struct arena *arena;     /* lives until the rows are written */
    int64_t deadline_us;     /* monotonic */
    int64_t learner_id;
    struct str learner; /* external id */
    const struct zone *zone;
    int32_t today;      /* local day */
    int64_t now_us;     /* UTC */
    uint64_t seed;      /* of this learner and day, for what draws lots */
    bool analysis;      /* false: the learner has switched analysis off; steps are not run */
    int32_t days_ahead; /* that forecasts are made for; 0: NIGHT_DAYS_AHEAD */
    bool asked;         /* on demand, not because the night has come */
    int64_t usual_at;   /* UTC; the hour in which the learner usually studies, TIME_NONE */
    bool more; /* set by a step: one run was not enough. The rest of the steps wait for the last */
    int64_t behind;                     /* with more: answers that the step has yet to take in */
    struct bulk bulks[NIGHT_BULKS_MAX]; /* to be written in this order */
    int32_t bulk_count;
    struct bulk guard; /* rows 0: none. Must change a row, else somebody else was faster */
};

/* Adds rows to be written; values live in the arena. ERR_NOMEM: NIGHT_BULKS_MAX. */
MUST_CHECK enum err night_put(struct night_work *w, enum stmt stmt, const struct value *values,
                              int32_t rows, int32_t cols);

struct night_step {
    const char *name;
    enum err (*run)(struct night_work *w); /* ERR_OK also when the data is too thin */
};
extern const struct night_step night_steps[]; /* in order; ends in a NULL name */

/* Reads the learner (one round trip; not when learner_id, zone and analysis are set), then runs one
 * step, or all with step NULL. ERR_NOT_FOUND: no such learner. Nothing is written: night_write()
 * does that in a writer's transaction. */
MUST_CHECK enum err night_compute(struct night_work *w, struct str learner,
                                  enum err (*step)(struct night_work *w));
/* ERR_CONFLICT: the guard changed nothing; the transaction must be rolled back. */
MUST_CHECK enum err night_write(struct night_work *w, struct store_conn *writer);

struct night_options {
    struct store *store;     /* borrowed */
    struct ingest *ingest;   /* borrowed */
    struct weights *weights; /* borrowed; NULL: none are kept */
    int32_t minute;          /* of the local day at which the night begins; 120 */
};
struct night_stats {
    int64_t learners, failed; /* since start; of failed ones nothing was written */
    int64_t behind_us;        /* how long the last one waited past its time */
};
struct night;
MUST_CHECK enum err night_new(const struct night_options *options, struct night **ret);
/* Looks now for learners who are due, not at the next of its own times. Any thread, at once. */
void night_look(struct night *n);
void night_stats(const struct night *n, struct night_stats *ret);
void night_stop(struct night *n); /* ends the one at work; idempotent; before ingest_stop() */
void night_free(struct night *n); /* stops first; NULL is fine */
