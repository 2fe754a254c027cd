/* warning_run - one run of a course, from which warning.h's inputs are read: the cohort by a day,
 * where each learner's work stands in it, and what ended runs teach about the course.
 *
 * Scores are taken as known on the day on which the work was handed in. A piece's share is of those
 * who have not left by the day; its mean and deviation are over all who have handed it in, the
 * deviation being at least 5 (a handful of equal scores must not make outliers). Places are among
 * those who are still there, level ones in the middle; what was carried over has no place by day.
 * Whoever is not `counted` is forecast but is in nobody's cohort, and nothing is learnt from. Pure.
 */
#pragma once
#include "twin/warning.h"

enum {
    WARNING_PAST_VERSION = 1,
    WARNING_PAST_BYTES_MAX =
        8 + WARNING_LANDMARKS_MAX * (4 + 8 + 8 + 8 * ((int)WARNING_FITTED - 1)),
};

struct warning_piece {
    int32_t due;
    double weight; /* 0..100 */
    bool quiz;
    /* by a day: warning_run_cohort() */
    double n, mean, sd, share;
};

enum warning_outcome { WARNING_OPEN = -1, WARNING_PASSED, WARNING_BAD_END };

struct warning_member {
    int32_t registered, left; /* days of the run; WARNING_NEVER */
    int32_t attempts;
    double credits;
    enum warning_education education;
    enum warning_outcome outcome;
    bool counted;
    int32_t handed_from, handed_to; /* of the run's `handed` */
    struct warning_record record;   /* by a day: warning_run_cohort() */
    int32_t others;                 /* how many it is of */
};

struct warning_handed {
    int32_t member, piece, day;
    bool carried;
    double score; /* 0..100; NaN */
    /* by a day: warning_run_cohort() */
    double score_place, day_place;
};

/* Another run that a member takes or took, on days of its own. */
struct warning_other {
    int32_t member;
    int32_t shift;      /* its day is this run's day plus this */
    int32_t left, ends; /* its days; WARNING_NEVER */
    enum warning_outcome outcome;
    double
        bare[WARNING_LANDMARKS_MAX]; /* the risk by work alone on each landmark; NaN: not there */
};

struct warning_run {
    struct warning_piece *pieces; /* <= WARNING_TASKS_MAX */
    struct warning_member *members;
    struct warning_handed *handed; /* by member, then piece; one of each at most */
    struct warning_other *others;  /* in any order */
    int32_t piece_count, member_count, handed_count, other_count;
};

/* Registered, as far as is known, and not gone by the end of the day. */
bool warning_run_present(const struct warning_member *m, int32_t day);
/* Counted ones who were there on the first landmark's day, and of these who has left by the day. */
void warning_run_left(const struct warning_run *r, int32_t day, int32_t *ret_began,
                      int32_t *ret_left);
/* Writes into pieces, handed and members what holds by the end of the day. Of other runs only what
 * was known then: who had left, how those ended that were over, and else the risk of the last
 * landmark. ERR_NOMEM. */
MUST_CHECK enum err warning_run_cohort(struct arena *scratch, struct warning_run *r, int32_t day);
/* Of the day of the last warning_run_cohort(). ERR_RANGE as warning_read(). */
MUST_CHECK enum err warning_run_read(const struct warning_run *r, int32_t member, int32_t day,
                                     double ret[WARNING_INPUTS]);

/* What the ended runs of a course came to, and its own weights. Zeroed: nothing known. */
struct warning_past {
    struct warning_course sums;          /* earlier runs only: began and left are 0 */
    int32_t rows[WARNING_LANDMARKS_MAX]; /* learners; 0: nothing known of that landmark */
    /* without the constant, which the sums know better; where there are rows */
    double weights[WARNING_LANDMARKS_MAX][(int)WARNING_FITTED - 1];
};
/* Prior's stiffness for a course's own weights (warning.h). */
#define WARNING_OWN_RIDGE 2048.0
/* From all these runs at once, whose members' outcomes are known; those that are not teach nothing.
 * Leaves the cohorts of the last landmark behind. ERR_NOMEM, ERR_RANGE. */
MUST_CHECK enum err warning_past_learn(struct arena *scratch, struct warning_run *const *runs,
                                       int32_t count, struct warning_past *ret);
/* warning_default with the course's own weights. */
void warning_past_model(const struct warning_past *p, struct warning_model *ret);
/* At most WARNING_PAST_BYTES_MAX; little endian on every machine. */
size_t warning_past_encode(const struct warning_past *p, uint8_t *ret);
/* ERR_RANGE: another version, a size that is wrong, or a number that is not finite. */
MUST_CHECK enum err warning_past_decode(const void *bytes, size_t n, struct warning_past *ret);
