/* burnout - a behavioural proxy of burnout risk over the last fourteen local days.
 *
 * risk = .20 I + .25 P + .25 C + .15 R + .10 E + .05 V, each factor a staircase of 0..100:
 *   I study intensity        hours a week: none 0, any 25, > 20 50, > 30 75, > 40 100
 *   P performance decline    success of the later half of the active days against the earlier,
 *                            relative drop > 5 % 25, > 15 % 50, > 25 % 75, > 35 % 100; from 7 days
 *   C chronic load           days whose mean load is above 60, among days with load:
 *                            > 10 % 25, > 20 % 50, > 35 % 75, > 50 % 100
 *   R schedule irregularity  skipped missions / 14: > 5 % 25, > 10 % 50, > 20 % 75, > 30 % 100;
 *                            from 7 missions on
 *   E engagement decay       missions skipped or rated 1 or 2: > 10 % 25, > 20 % 50, > 30 % 75,
 *                            > 40 % 100
 *   V recovery deficit       recovery days in the last seven: 0 100, 1 50, 2 25, more 0
 * A recovery day has a mean load below 40, or is over and had neither study nor load.
 *
 * Everything is by local day first: five samples on one day are one day. The factors come from
 * studies of overtraining and workload, not from an inventory: this is no diagnosis. Without any
 * data every factor is 0, no signal is raised, and `sufficient` is false. Pure. */
#pragma once
#include "base/arena.h"
#include "twin/trend.h"

#include <stdbool.h>
#include <stdint.h>

enum { BURNOUT_DAYS = 14, BURNOUT_RECENT_DAYS = 7 };

struct burnout_day {
    int64_t study_ms;
    int64_t sessions;
    int64_t load_n;            /* load samples */
    double load_mean;          /* 0..100; not read when load_n is 0 */
    int64_t graded, succeeded; /* answers and reviews; of these, right */
};

enum mission_status { MISSION_PENDING, MISSION_IN_PROGRESS, MISSION_COMPLETED, MISSION_SKIPPED };
extern const char *const mission_status_names[]; /* "PENDING" .. , NULL */

struct burnout_mission {
    int32_t day; /* 0..BURNOUT_DAYS-1, the last is today */
    enum mission_status status;
    int32_t difficulty; /* 1..5 as the learner rated it; 0: not rated */
};

struct burnout_input {
    struct burnout_day days[BURNOUT_DAYS];  /* the last is today, which is not over */
    const struct burnout_mission *missions; /* in order of their days */
    int32_t mission_count;
    bool last_is_over; /* false: today goes on, an empty one is no rest yet */
};

enum burnout_level { BURNOUT_LOW, BURNOUT_MEDIUM, BURNOUT_HIGH, BURNOUT_CRITICAL };
extern const char *const burnout_level_names[]; /* "LOW" .. "CRITICAL", NULL */

enum burnout_factor {
    BURNOUT_INTENSITY,
    BURNOUT_DECLINE,
    BURNOUT_CHRONIC_LOAD,
    BURNOUT_IRREGULARITY,
    BURNOUT_ENGAGEMENT,
    BURNOUT_RECOVERY,
    BURNOUT_FACTORS
};
extern const char *const burnout_factor_names[];      /* "Study Intensity" .., NULL */
extern const double burnout_weights[BURNOUT_FACTORS]; /* sum 1 */

enum burnout_signal {
    BURNOUT_SIGNAL_OVERLOAD,
    BURNOUT_SIGNAL_DROP,
    BURNOUT_SIGNAL_DISENGAGED,
    BURNOUT_SIGNAL_IRREGULAR,
    BURNOUT_SIGNAL_NO_RECOVERY,
    BURNOUT_SIGNALS
};
extern const char *const burnout_signal_names[]; /* "CHRONIC_OVERLOAD" .., NULL */

struct burnout_result {
    double score; /* 0..100 */
    enum burnout_level level;
    double confidence; /* 0..1, by how much data there is */
    bool sufficient;   /* BURNOUT_SESSIONS_NEEDED sessions and BURNOUT_DAYS_NEEDED active days */
    struct {
        double score;        /* 0..100 */
        double contribution; /* weight * score */
        double share;        /* of the whole risk, 0..1; NaN when that is 0 */
        double measure;      /* what the staircase was asked for; NaN: no data for it */
        enum burnout_level severity;
    } factors[BURNOUT_FACTORS];
    struct {
        bool raised, severe;
        int32_t since_day; /* index of the day on which it first held */
        double measure;    /* days, relative drop, missions, missions, days */
    } signals[BURNOUT_SIGNALS];
    int64_t sessions, load_samples, graded, study_ms;
    int32_t active_days, load_days, graded_days, mission_count;
    int32_t recovery_days;   /* in the last seven */
    int32_t days_since_rest; /* -1: none in the window */
};
enum { BURNOUT_SESSIONS_NEEDED = 5, BURNOUT_DAYS_NEEDED = 3, BURNOUT_LOADS_NEEDED = 10 };

void burnout_assess(const struct burnout_input *in, struct burnout_result *ret);
enum burnout_level burnout_level_of(double score);

/* Where the days are heading: Theil-Sen slope and Mann-Kendall test over the days of the window
 * that have the measure, corrected for autocorrelation; the three tests are judged together
 * (Benjamini & Hochberg). The staircases above say how much there is, these whether it grows. */
enum burnout_series {
    BURNOUT_SERIES_LOAD,    /* mean load of the day */
    BURNOUT_SERIES_SUCCESS, /* share of graded work that went right */
    BURNOUT_SERIES_STUDY,   /* minutes; a day that is over without study is 0 */
    BURNOUT_SERIES_COUNT
};
extern const char *const burnout_series_names[]; /* "load" .., NULL */
enum { BURNOUT_TREND_NEEDED = 7 /* days with the measure */ };
struct burnout_trend {
    struct trend trend; /* slope for each day; read only when reason is NULL */
    double p_adjusted;
    int direction;      /* +1, -1: p_adjusted < 0.05; else 0 */
    bool worse;         /* that direction is the strained one */
    const char *reason; /* why there is none, static text; NULL: there is one */
    int32_t days, needed;
};
/* ERR_NOMEM: the arena is at its cap (4 KiB are enough). */
MUST_CHECK enum err burnout_trends(struct arena *scratch, const struct burnout_input *in,
                                   struct burnout_trend ret[BURNOUT_SERIES_COUNT]);

/* From an earlier assessment to the present: (before - now) / before within 0..1, NaN when before
 * is 0. Recovered: level LOW. */
double burnout_progress(double before, double now);

/* Advice for the result; static text. */
enum { BURNOUT_ADVICE_MAX = 8 };
int32_t burnout_advice(const struct burnout_result *r, const char *ret[BURNOUT_ADVICE_MAX]);
