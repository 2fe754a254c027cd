/* load - cognitive load of a moment, from how somebody answers.
 *
 * Method "legacy-v1": load = .30 L + .25 E + .20 G + .15 P + .10 D, each factor a staircase of
 * 0..100, so 92.5 is the highest score there can be (D ends at 25):
 *   L latency      mean latency above the baseline: > 50 % 100, > 30 % 75, > 15 % 50, > 5 % 25
 *   E errors       100 x error rate
 *   G engagement   10 x pauses + 50 x share of the time that was paused, at most 100
 *   P performance  mean of the last five scores below the baseline: from 20 % on, 100 x the drop
 *   D duration     > 90 min 25, > 60 min 10
 * A factor without data is 0 and costs confidence. With no data at all: load 0, confidence .3024.
 * Pure. */
#pragma once
#include "base/civil.h"
#include "twin/stats.h"

#include <stdbool.h>

enum load_level { LOAD_LOW, LOAD_MODERATE, LOAD_HIGH, LOAD_CRITICAL }; /* < 40, < 60, < 80, rest */
enum load_severity { LOAD_MILD, LOAD_MEDIUM, LOAD_SEVERE };
enum load_risk { LOAD_RISK_LOW, LOAD_RISK_MEDIUM, LOAD_RISK_HIGH, LOAD_RISK_CRITICAL };
enum load_sign {
    LOAD_SIGN_LATENCY,
    LOAD_SIGN_ERRORS,
    LOAD_SIGN_ENGAGEMENT,
    LOAD_SIGN_PERFORMANCE,
    LOAD_SIGN_DURATION,
    LOAD_SIGN_COUNT
};
extern const char *const load_level_names[];    /* "LOW" .. "CRITICAL", NULL */
extern const char *const load_severity_names[]; /* "LOW" "MEDIUM" "HIGH", NULL */
extern const char *const load_sign_names[];     /* "RESPONSE_LATENCY" .. , NULL */

#define LOAD_BASELINE_MS 2000.0
#define LOAD_BASELINE_PERFORMANCE 0.7
enum { LOAD_SCORES_USED = 5 };

struct load_input {
    int32_t latency_n;
    double latency_ms; /* mean; the caller chooses which mean, the baseline's kind */
    double error_rate; /* 0..1 */
    bool has_engagement;
    double pauses, pause_ms;     /* >= 0 */
    int32_t score_n;             /* how many scores there are */
    double score_mean;           /* of the last LOAD_SCORES_USED, 0..1 */
    double minutes;              /* >= 0; 0: just begun, the paused share is then 0 */
    bool has_baseline;           /* false: the two constants above */
    double baseline_ms;          /* > 0; 0 means LOAD_BASELINE_MS */
    double baseline_performance; /* 0..1; 0 means LOAD_BASELINE_PERFORMANCE */
};

struct load_indicator {
    enum load_sign sign;
    enum load_severity severity;
    double value;        /* ms, rate, share, relative drop, minutes */
    double contribution; /* the factor's score, 0..100, not weighted */
};

struct load_result {
    double score; /* 0..92.5 */
    enum load_level level;
    enum load_risk risk;
    bool overload;
    double confidence; /* 0..1 */
    double factors[LOAD_SIGN_COUNT];
    struct load_indicator indicators[LOAD_SIGN_COUNT];
    int32_t indicator_count;
};

/* Every input must be finite and in its range. */
void load_calculate(const struct load_input *in, struct load_result *ret);
enum load_level load_level_of(double score);
/* Overload: above 80, or two severe signs. ret_risk may be NULL. */
bool load_overload(double score, int32_t severe_signs, enum load_risk *ret_risk);

/* Advice for the result, without repeats; static text. Returns how many. */
enum { LOAD_ADVICE_MAX = 8 };
int32_t load_advice(const struct load_result *r, const char *ret[LOAD_ADVICE_MAX]);

/* -1, 0, +1: down, stable, up by more than 10 points. */
int load_trend(double latest, double previous);

/* One measured moment. */
struct load_sample {
    int64_t at; /* UTC microseconds */
    double score;
};

/* A run above LOAD_ENTER that has not yet come below LOAD_LEAVE. */
#define LOAD_ENTER 80.0
#define LOAD_LEAVE 60.0
struct load_episode {
    int64_t start, end; /* end: first sample below LOAD_LEAVE, or the last sample when still open */
    double peak;
    int32_t samples; /* inside, the leaving one not counted */
    bool open;
};
/* Samples ascend in time. Writes at most `max` episodes; returns how many there are. */
int32_t load_episodes(const struct load_sample *s, int32_t n, struct load_episode *ret,
                      int32_t max);

/* A sample stands for the time until the next, but no longer than this. */
#define LOAD_HOLD_US (30 * US_PER_MINUTE)
/* Mean over time of samples[from..to), each held until the next of the whole series. */
double load_time_mean(const struct load_sample *s, int32_t n, int32_t from, int32_t to);

/* Buckets of a local hour, local day, or ISO week (from Monday) in `zone`. */
enum load_grain { LOAD_RAW, LOAD_HOUR, LOAD_DAY, LOAD_WEEK };
int64_t load_bucket_start(const struct zone *zone, enum load_grain grain, int64_t at);
struct load_bucket {
    int64_t start;
    int32_t first, count; /* samples[first .. first + count) */
    int32_t peak;         /* index of the highest */
    double mean, min, max, p90, time_mean;
};
/* Samples ascend. `scratch` holds n doubles. Writes at most max; returns how many there are. */
int32_t load_buckets(const struct load_sample *s, int32_t n, const struct zone *zone,
                     enum load_grain grain, double *scratch, struct load_bucket *ret, int32_t max);
