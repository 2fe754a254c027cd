/* mission - choose what a learner works on in one day's time.
 *
 * Each objective has a gain: what is still to be learned there (1 - the chance of a right answer,
 * prerequisites in mind) and what of its cards is being forgotten (the sum of 1 - recall over those
 * that are due). High yield makes a gain larger. What stands on prerequisites that are not mastered
 * waits for them, unless they come earlier in the same mission. Chosen is the best gain per minute
 * first; each further objective of one course counts less, so that courses mix. The minutes are
 * then stretched or pressed together, within limits, to fill the time that was asked for.
 *
 * An exact knapsack was put aside: when one item changes it may swap half the mission. Pure: no
 * clock, no I/O; the same input gives the same mission, in whatever order the candidates come. */
#pragma once
#include "base/str.h"
#include "twin/mastery.h"

enum {
    MISSION_CANDIDATES_MAX = 3000,
    MISSION_MINUTES_MIN = 5,
    MISSION_MINUTES_MAX = 240,
    MISSION_PICKS_MAX = 8,
    MISSION_DEFAULT_MINUTES = 50,
    MISSION_EXAM_DAYS = 14, /* so long before an exam it presses */
};
#define MISSION_TOLERANCE                                                                  \
    0.05                 /* the total's distance from what was asked, where it can be kept \
                          */
#define MISSION_WEAK 0.7 /* below this chance of a right answer an objective is weak */

struct mission_candidate {
    struct str id, course; /* course may be {NULL,0} */
    int32_t complexity;    /* 0 basic, 1 intermediate, 2 advanced */
    bool high_yield;
    struct mastery_now mastery;      /* prerequisites in mind */
    int64_t attempts;                /* answers and reviews; 0: new to the learner */
    double own_minutes;              /* of the learner's sessions on it, in sum */
    int64_t own_sessions;
    int32_t due;      /* cards that are due */
    double forgotten; /* sum of 1 - recall over these */
    double urgency;   /* >= 0: so much more does its gain count, as before an exam */
    bool barred;      /* never chosen, but others may stand on it */
};

struct mission_needs { /* candidates by number */
    int32_t objective, prerequisite;
    double strength; /* 0..1 */
};

enum { /* bits: why an objective was chosen */
       MISSION_DUE = 1,
       MISSION_WEAK_AREA = 2,
       MISSION_NEW = 4,
       MISSION_HIGH_YIELD = 8,
       MISSION_OPENS = 16, /* another objective of the mission stands on it */
       MISSION_KEEPS = 32, /* nothing presses: practice of what is nearly mastered */
};

struct mission_pick {
    int32_t candidate;
    int32_t minutes;
    int32_t estimate; /* minutes before they were fitted to the time */
    double gain;
    uint32_t reasons;
};

struct mission_plan {
    struct mission_pick picks[MISSION_PICKS_MAX]; /* in order of study: prerequisites first */
    int32_t count, minutes;
    int32_t due;        /* cards that are due in it */
    int32_t fresh;      /* objectives that are new to the learner */
    bool short_of_time; /* there was not enough to do for the time asked */
};

/* What working on one candidate is worth. gain = (to_learn + to_keep) * factor. */
struct mission_worth {
    double to_learn; /* 1 - the chance of a right answer */
    double to_keep;  /* 0..1, of what its due cards have lost */
    double factor;   /* of high yield and urgency; 1: neither */
    double gain, minutes;
    bool weak; /* tried, and below MISSION_WEAK */
};
struct mission_worth mission_worth_of(const struct mission_candidate *c);
/* The urgency of what an exam in so many days is on: 1 on its day, less by the same each day
 * before, 0 from MISSION_EXAM_DAYS on; NaN or past: 0. */
double mission_exam_urgency(double days);
#define MISSION_STRONG 0.5 /* of a prerequisite that is waited for until it is no more weak */

/* Minutes that one candidate takes: by complexity and mastery, drawn to the learner's own mean as
 * sessions on it come together (the rule of thumb counts as two). */
double mission_minutes_of(const struct mission_candidate *c);

/* only_weak: weak objectives that were tried before, and nothing else. ERR_RANGE: a count or
 * minutes outside their limits. An empty plan is a success. ERR_NOMEM. */
MUST_CHECK enum err mission_plan_make(const struct mission_candidate *c, int32_t count,
                                      const struct mission_needs *needs, int32_t needs_count,
                                      int32_t minutes, bool only_weak, struct mission_plan *ret);
