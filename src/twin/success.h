/* success - one figure for how a mission went, of what is known of it.
 *
 *   objectives done .30, right answers .25, time kept .20, the learner's opinion .15, streak .10
 *
 * Time kept is 1 - |actual - estimated| / estimated, not below 0; the streak counts days in a row
 * with a completed mission and is full at ten. The weights are an agreement, not a measurement.
 * What is not known is left out and its weight goes to the rest in proportion: nothing is assumed.
 * At least one of the first two must be known, the others alone say nothing of success. */
#pragma once
#include <stdint.h>

enum { SUCCESS_STREAK_FULL = 10 };

struct success_parts { /* each 0..1; NaN: not known */
    double objectives, right, time, opinion, streak;
};

struct success_parts success_parts_none(void);
double success_time_kept(int64_t estimated_minutes, int64_t actual_minutes); /* NaN: no estimate */
double success_opinion(double stars); /* mean of 1..5; NaN stays */
double success_streak(int32_t days);
double success_score(const struct success_parts *p); /* 0..1; NaN */
/* "excellent" from .9, "good" .75, "fair" .6, "weak" .4, else "poor"; NULL for NaN. */
const char *success_label(double score);
