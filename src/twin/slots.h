/* slots - when to study next: free times of the coming days, by how well the hour has gone.
 *
 * Each hour of the week has its outcomes (right among answers and reviews). They are smoothed over
 * the day's circle (a von Mises kernel, about two hours wide) and over the weekdays, and drawn to
 * the learner's mean by as much as the hours do not differ (stats_pool). An hour in a window that a
 * nightly analysis found to be the best rises by that window's effect: that analysis compares
 * outcomes with forecasts, so that hard work done in the evening does not make a bad evening.
 *
 * Score, 0..100: .4 the hour's share of right outcomes, .3 free (0 where something tentative is in
 * the way), .2 preference (100 where the learner uses to study or wishes to, else 50), .1 recency
 * (three sessions at that hour in the last seven days are 100). Firm busy times are never offered.
 * Confidence: the chance that the slot's hour is the best of those offered.
 *
 * Times are local wall times of the learner's zone: an hour that the clock skips is not offered, a
 * slot lasts as long as it says whatever the clock does. Without history the two usual hours (7 and
 * 18) are proposed, and said to be usual, not measured. Pure. */
#pragma once
#include "base/civil.h"
#include "base/err.h"
#include "twin/stats.h"

#include <stdbool.h>

enum {
    SLOTS_WEEK = 168, /* weekday (0 = Sunday) * 24 + hour */
    SLOTS_MAX = 5,
    SLOTS_WANTED = 3, /* further days are looked at until there are so many */
    SLOTS_DAYS_MAX = 14,
    SLOTS_USUAL_MINUTES = 120,
};

struct slots_busy {
    int64_t start, end;
    bool soft; /* tentative */
};

struct slots_input {
    const struct zone *zone;
    int64_t now_us;
    int32_t day, days; /* first local day; 1..SLOTS_DAYS_MAX */
    int32_t minutes;   /* > 0 */
    bool history;      /* false: nothing is known; the hours below are not read */
    struct share hours[SLOTS_WEEK];
    int64_t sessions[SLOTS_WEEK];
    int64_t recent[24];            /* sessions of the last seven days */
    int32_t wish_hour;             /* -1: none */
    int32_t best_from, best_to;    /* hours, the last included; -1: no window was found */
    double best_effect;            /* log odds; NaN: unknown */
    const struct slots_busy *busy; /* by start */
    int32_t busy_count;
};

struct slot {
    int64_t start, end;
    int32_t hour;
    double score, confidence;
    double rate;              /* share right, 0..1; NaN: not measured */
    struct interval interval; /* 95 % */
    double n;                 /* outcomes behind it, as many as count after smoothing */
    int32_t soft;             /* number of the tentative busy time in the way; -1 */
    bool best, preferred, usual;
    int64_t recent;
};

/* .4 .3 .2 .1; all 0..100 but recent. */
double slots_score(double hour, bool free, bool preferred, int64_t recent);

/* Highest score first, at most SLOTS_MAX, half an hour apart at least. Returns how many. */
int32_t slots_find(const struct slots_input *in, struct slot ret[SLOTS_MAX]);

/* Does [start, end) meet a firm busy time? ret_soft: a tentative one's number, or -1; may be NULL.
 */
bool slots_is_busy(const struct slots_busy *busy, int32_t count, int64_t start, int64_t end,
                   int32_t *ret_soft);
