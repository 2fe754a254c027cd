/* struggle - what is known of a learner's answers is brought up to date, and what comes is
 * foretold.
 *
 * One run (mind.c) reads the answers and reviews behind the place of the last one, in order. Each
 * is first forecast, then learnt from: by the learner's mind (twin/mind.h), and, where the learner
 * counts in sums over many, by the weights that all share (twin/struggle.h). Forecasts and outcomes
 * go into the audits. Then (outlook.c) each objective that the learner meets or has met gets its
 * forecast for the days to come, and what could be done where it looks bad.
 *
 * An answer's skills are those that its event names; where it names none, those that the catalogue
 * has for its item when the run reads it. Skills that are listed later count from then on, and a
 * mind that is made anew has them from the beginning.
 *
 * A run takes a bounded number of answers; night_work.more says that there are others. An answer
 * that comes late, behind the place, is seen by the count of all: the mind is then made anew from
 * the log. What had been learnt from is not learnt from, nor judged, again.
 *
 * Shared weights (weights.h) are read and written slot by slot, without a lock over the run. Two
 * runs at once may each overwrite a step of the other's on a slot that both touched; a slot is
 * always whole, and sparse steps lost that way do no harm (Niu, Recht, Re & Wright 2011). */
#pragma once
#include "base/hash.h"
#include "night/night.h"
#include "twin/mind.h"
#include "twin/outlook.h"

enum {
    STRUGGLE_BITS = 18,         /* of the shared weights: 6 MiB at most */
    STRUGGLE_LEARN_MAX = 1600,  /* answers a run learns from */
    STRUGGLE_REPLAY_MAX = 5000, /* answers a run reads again for a mind */
    STRUGGLE_OBJECTIVES_MAX = 200,
};

MUST_CHECK enum err night_struggle(struct night_work *w);

/* ---- inside ---- */

struct struggle_run {
    struct night_work *w;
    struct weights *weights;
    struct mind *mind;
    struct struggle_model *model; /* the slots that were asked for are loaded */
    uint64_t *loaded;             /* which: a bit each */
    uint32_t *moved;              /* slots that are learnt by, ascending */
    int32_t moved_count;
    struct outlook_model outlook;
    int64_t learnt, outcomes; /* the shared models' before this run */
    bool shares;              /* may the shared models learn from this learner? */

    /* the mind's row */
    int64_t version, at, taken, known_at;
    struct str id, known_id;
    int64_t graded;         /* answers and reviews in the log, by the sums */
    int64_t learned;        /* in this run */
    int64_t judged;         /* forecasts of struggle, in this run */
    struct rows objectives; /* that forecasts are made for */
    struct strmap made;     /* ids of today's forecasts: they are not made again */
};
/* Hashes that mind.h and struggle.h take for ids; never 0. */
uint64_t struggle_item_id(struct str item);
uint64_t struggle_objective_id(struct str objective);
/* The name of a forecast: one a day and objective. NULL p: no memory. */
struct str struggle_prediction_id(struct arena *arena, int32_t day, struct str objective);
/* Its day, and struggle_objective_id(); false: the name is of another form. */
bool struggle_prediction_parse(struct str name, int32_t *ret_day, uint64_t *ret_objective);
/* Loads the slots of the features into run->model; those that it gives back had not been loaded
 * before. */
MUST_CHECK enum err struggle_load(struct struggle_run *run, const struct struggle_features *f,
                                  int32_t count, uint32_t **ret_slots, int32_t *ret_count);
/* Brings the mind up to date, and judges forecasts whose time is over. */
MUST_CHECK enum err struggle_catch_up(struct struggle_run *run);
/* Makes the forecasts. */
MUST_CHECK enum err struggle_look_ahead(struct struggle_run *run);
