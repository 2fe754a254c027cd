/* runs - the early warning of whole runs of courses: each day one look at all who take a run.
 *
 * The night reads a run's set work as ingest keeps it, and the catalogue's word of when it is due;
 * it forecasts every learner on each landmark that has passed and on the run's last whole day, and
 * keeps that. A forecast of a day goes by what was known then: other runs of the course count when
 * they had ended before it, learners' other runs as far as they had come. When a run has ended,
 * what it and the course's runs before it came to is learnt anew from all of them at once, so
 * nothing can be learnt twice; it is kept under the day of the end. A look that finds what the last
 * one found changes nothing but the time of the next. Who is not to be counted in sums over many is
 * forecast, but in nobody's cohort or lesson.
 *
 * Kept rows follow from the log and the catalogue alone: after an erasure or a rebuild the next
 * look makes them anew. Two looks make a run's first answer: one by work alone, so that runs that a
 * learner takes at the same time know of each other in the second. */
#pragma once
#include "ingest/ingest.h"
#include "store/store.h"
#include "twin/warning_run.h"

enum {
    RUNS_MEMBERS_MAX = 20000,
    RUNS_HANDED_MAX = 400000,
    RUNS_TAUGHT_MAX = 8,      /* of a course: the latest ones are learnt from */
    RUNS_MEMBERS_NEEDED = 20, /* who are there and count, before anything is said */
};

/* The day from which the answers are: the last one that is over. */
int32_t runs_today(int64_t now_us);

/* What was served on each landmark; NaN where there was nothing. */
struct run_marks {
    double risk[WARNING_LANDMARKS_MAX], bare[WARNING_LANDMARKS_MAX];
};
/* [[14,0.31,0.29], …]; anything else is nothing known. */
void run_marks_read(struct str text, struct arena *arena, struct run_marks *ret);

struct runs_work {
    struct store_conn *conn; /* a reader */
    struct arena *arena;     /* lives until the rows are written */
    int64_t now_us, deadline_us;
    int32_t minute; /* of the day, UTC, at which the next look comes due */
    struct str run; /* that was looked at; p NULL: none was due */
    struct bulk bulks[6];
    int32_t bulk_count;
};
/* The run that has waited longest, if one is due. ERR_TOO_LARGE: beyond the limits above; the rows
 * then only put it off, as after any error but the store's. */
MUST_CHECK enum err runs_compute(struct runs_work *w);
/* Within a writer's transaction. ERR_CONFLICT: somebody else was faster; roll back. */
MUST_CHECK enum err runs_write(struct runs_work *w, struct store_conn *writer);

/* One look, all of it, written by ingest's writer. *ret_looked: was a run due? */
MUST_CHECK enum err runs_look(struct store_conn *conn, struct ingest *ingest, int32_t minute,
                              int64_t deadline_us, bool *ret_looked);
