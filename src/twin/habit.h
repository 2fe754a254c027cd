/* habit - how well a learner keeps at it, week by week, as one number; and does it go with results?
 *
 * A week's score is the weighted mean, 0..100, of
 *   consistency  .25  share of the week's days with study
 *   completion   .20  share of the sessions begun that were completed
 *   retention    .15  share of reviews in which the card was recalled
 * of which a part counts only if every week in question has it, so that weeks stay comparable. How
 * certain the server is of something, and what it advised, is not what a learner does: it is not in
 * the score. The result is another thing: the share of right answers, or, for who only reviews
 * cards, that of reviews, which then is no part of the score.
 *
 * Weeks next to each other resemble each other and both series may rise through the term, which
 * makes any two of them go together. So beside Pearson's coefficient of the values, with the
 * effective number of weeks (correlate.h), stand that of what is left when each series' straight
 * line through time is taken away, and Spearman's of the ranks. Pure. */
#pragma once
#include "twin/correlate.h"

enum {
    HABIT_WEEKS_MAX = 52,
    HABIT_WEEKS_NEEDED = 8, /* with a score and a result */
    HABIT_GRADED_NEEDED = 5 /* answers or reviews, before a week has a result */
};

struct habit_week {
    int32_t active_days; /* 0..7 */
    int64_t sessions, completed;
    int64_t answers, correct, reviews, recalled;
    int64_t planned, done; /* objectives of the week's missions */
};

enum habit_measure { HABIT_BY_ANSWERS, HABIT_BY_REVIEWS };
enum habit_metric { HABIT_BEHAVIOR, HABIT_MISSIONS /* share of the missions' objectives done */ };

struct habit_point {
    int32_t week;         /* index into the weeks given */
    double score, result; /* 0..100 */
    int64_t n;            /* behind the result */
};
struct habit {
    enum habit_measure measure;
    bool completion, retention; /* are they part of the score? */
    struct habit_point points[HABIT_WEEKS_MAX];
    int32_t count;
    struct correlation plain;     /* r NaN: fewer than HABIT_WEEKS_NEEDED, or no spread */
    struct correlation detrended; /* one degree of freedom fewer, for the line */
    struct correlation ranks;
};
/* weeks: whole ones, oldest first; 0 <= count <= HABIT_WEEKS_MAX. */
void habit_of(const struct habit_week *weeks, int32_t count, enum habit_metric metric,
              struct habit *ret);
