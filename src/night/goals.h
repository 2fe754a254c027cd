/* goals - a goal's metric measured from the sums; and at night, each goal that is not reached yet.
 *
 * Each night a goal whose metric is measured gets a report of it, as the learner might have made
 * it, when the value is another one than the last; so it is reached, and its course can be seen,
 * without anybody saying so. A report that the learner makes meanwhile stands. Then a goal whose
 * deadline has passed is given up. */
#pragma once
#include "night/night.h"

enum { GOAL_MONTH = 30, GOAL_WEEK = 7 /* days that metrics are measured over */ };

enum goal_metric {
    GOAL_ACTIVE_DAYS,     /* with study, of the last 7 */
    GOAL_SESSION_MINUTES, /* mean; from here on of the last 30 days */
    GOAL_SUCCESS,         /* percent */
    GOAL_ERRORS,          /* percent */
    GOAL_EFFICIENCY,      /* successes a minute */
    GOAL_HALF_LIFE,       /* days, of the fitted forgetting curve */
    GOAL_CUSTOM           /* told, never measured */
};
extern const char *const goal_metric_names[]; /* "activeDaysPerWeek" .., NULL */

/* The sums that metrics are measured from. */
struct goal_measured {
    int64_t active_days, study_ms, sessions, graded, succeeded;
    double decay; /* NaN: no curve fitted */
};
/* days: STMT_STUDY_DAYS from GOAL_MONTH + 1 days back; fit: STMT_MEMORY_FIT_OF_LEARNER. */
struct goal_measured goal_measure(const struct rows *days, const struct rows *fit, int32_t today);
/* NaN: there is nothing to measure it from. */
double goal_metric_value(enum goal_metric metric, const struct goal_measured *m);

MUST_CHECK enum err night_goals(struct night_work *w);
