/* rhythm - when a learner does best, and how long it goes well, from sums alone.
 *
 * What is compared is never the share of right answers but outcomes against their forecasts: the
 * forecast (struggle, recall) knows the item, the skill and the learner's level, but neither hour
 * nor minute, so that hard work done in the evening does not make a bad evening.
 *
 * The sums are whole numbers, in millionths, and free of order; rhythm_count() and rhythm_add()
 * make them, so that every part of the program rounds alike. Per answer or judged review with
 * forecast p, made before the outcome y was known: expected += p, residual += y - p, information +=
 * p (1 - p).
 *
 * By session: a struct rhythm_part on the session's row. When the session changes, its old share is
 * taken away and its new one added, as for all sums by session, to a struct rhythm_sum each of
 *   the hour of the week in which it began (168 slots, added up to 24 for the hours),
 *   its length bucket,
 *   each modality, with the part of the session that has it,
 *   all reviews, judged against FSRS with its published weights (patterns.h).
 *
 * By session and five-minute bucket of its minutes (breaks not counted): a struct rhythm_part,
 * which the learner's table (length bucket, minute bucket) adds up. A length bucket holds sessions
 * that lasted about equally long, so within it late minutes belong to the same sessions as early
 * ones. That is the censoring: a session that ends early says nothing of later minutes, and is
 * compared with its like only.
 *
 * Models. With a cell's n, expected and information a rise of the log odds by d gives the mean
 * n s(logit(p') + k d), p' = expected / n, k = information / (n p' (1 - p')): right in value and
 * slope at d = 0 for any mix of forecasts. Cells are linearised there (Fisher scoring), noise has
 * the variance phi times the binomial one, phi from the spread of sessions within slots, >= 1.
 *   Slots: effects are Gaussian with mean zero, around the circle of hours as first and second
 *     harmonic (cosinor; Cornelissen 2014) plus each hour's own, otherwise each slot's own; their
 *     sizes are averaged over a grid by their likelihood (empirical Bayes in full; Efron & Morris
 *     1975; Gelman & Hill 2007). Much data: a slot's own mean; none: the learner's.
 *   Fatigue: level until a minute T, from there down by a slope (a change point with a level per
 *     length bucket); posterior over T, uniform before, and the slope, half normal before.
 * Test. Slots: the variance component's score test (Lin 1997; Wu et al. 2011); fatigue: largest t
 * over T; both against RHYTHM_ROUNDS seeded draws under the null, p = (b + 1) / (m + 1). Only where
 * p <= RHYTHM_ALPHA is an effect reported: `found`. Pure: same sums and seed, same result. */
#pragma once
#include "twin/stats.h"

#include <stdbool.h>

/* Below 5 %, so that of 200 learners without an effect hardly ever more than 5 % show one. */
#define RHYTHM_ALPHA 0.025
#define RHYTHM_FORECAST_MIN 0.01 /* forecasts are kept within this of 0 and 1 */
enum {
    RHYTHM_SLOTS_MAX = 24,
    RHYTHM_HOURS = 24,
    RHYTHM_ROUNDS = 999,
    RHYTHM_DRAWS = 2000,
    RHYTHM_SESSIONS_NEEDED = 20,
    RHYTHM_OUTCOMES_NEEDED = 100,
    RHYTHM_SLOT_SESSIONS = 3, /* before a slot may be called best */
    RHYTHM_BUCKET_MINUTES = 5,
    RHYTHM_BUCKETS = 24, /* the last holds all later minutes: it is not used */
    RHYTHM_STRATA = 8,
    RHYTHM_MINUTES_MAX = (RHYTHM_BUCKETS - 1) * RHYTHM_BUCKET_MINUTES,
};

struct rhythm_part {
    int64_t n, expected, residual, information; /* all but n in millionths */
};
struct rhythm_sum {
    struct rhythm_part part;
    int64_t sessions; /* with at least one outcome */
    /* Sums over sessions of residual^2, residual * information, information^2; in millionths. */
    int64_t square, cross, weight;
};
/* forecast 0..1; NaN is not counted. sign: 1 adds, -1 takes away again. */
void rhythm_count(struct rhythm_part *part, double forecast, bool success, int sign);
void rhythm_add(struct rhythm_sum *sum, const struct rhythm_part *session, int sign);

enum rhythm_reason {
    RHYTHM_OK,
    RHYTHM_FEW_SESSIONS, /* needed: sessions in all */
    RHYTHM_FEW_OUTCOMES, /* needed: outcomes in all */
    RHYTHM_FEW_SLOTS,    /* needed: slots (minutes: buckets) with data */
    RHYTHM_NO_EFFECT,    /* enough data, and what differs is no more than chance */
    RHYTHM_BEYOND,       /* fatigue: it may begin after the longest sessions only */
};
extern const char *const rhythm_reason_names[]; /* "ok" .., NULL */

enum rhythm_shape {
    RHYTHM_CIRCLE /* 24 hours */,
    RHYTHM_GROUPS /* lengths, modalities, weekdays */
};

struct rhythm_slot {
    double effect; /* log odds against the learner's own mean over all slots; 0 without any data */
    struct interval interval; /* 95 %, of the effect */
    double rate;              /* success on the learner's average work there; NaN: no data at all */
    double best;  /* probability of being the best one; 0 when it may not be called so */
    bool in_best; /* in the smallest set that holds the best with 95 % */
    int64_t n, sessions;
};
struct rhythm {
    enum rhythm_shape shape;
    int32_t count;
    struct rhythm_slot slots[RHYTHM_SLOTS_MAX];
    bool found;
    enum rhythm_reason reason;
    int64_t needed; /* of what the reason says; 0 otherwise */
    int64_t n, sessions;
    double p;            /* of the global test; NaN when there was too little to test */
    double bayes_factor; /* for an effect of any size against none; NaN likewise */
    double dispersion;   /* phi */
    int32_t best;        /* slot; -1: none may be called so */
    /* The circle only, NaN otherwise: when the first harmonic is highest, in slots (13.5 = between
     * the middles of the slots 13 and 14), low > high: it runs over midnight; its height. */
    double peak;
    struct interval peak_interval, amplitude_interval;
    double amplitude;
};
/* count <= RHYTHM_SLOTS_MAX, for the circle RHYTHM_HOURS. All of *ret is filled in any case:
 * without `found` the slots are estimates still, but nothing should be built on their order. */
void rhythm_slots(const struct rhythm_sum *slots, int32_t count, enum rhythm_shape shape,
                  uint64_t seed, struct rhythm *ret);

struct rhythm_minutes {
    int32_t stratum, bucket; /* length bucket 0..RHYTHM_STRATA-1; minutes, 0..RHYTHM_BUCKETS-1 */
    struct rhythm_part part;
};
struct rhythm_fatigue {
    bool found;
    enum rhythm_reason reason;
    int64_t needed;
    int64_t n;
    double p, bayes_factor, dispersion; /* NaN where there was too little to test */
    /* Minutes into a session from which results fall, given that they do: posterior median (NaN:
     * beyond what was seen) and 95 % interval (high INFINITY: may lie beyond). */
    double onset;
    struct interval onset_interval;
    double slope;                   /* log odds lost per ten minutes from then on; posterior mean */
    struct interval slope_interval; /* 95 %, > 0 */
    double seen_minutes;            /* how far the data goes */
    double break_minutes;           /* 0.9 onset, when found; otherwise NaN */
};
/* Cells in any order; several of one place add up. */
void rhythm_fatigue(const struct rhythm_minutes *cells, int32_t count, uint64_t seed,
                    struct rhythm_fatigue *ret);

/* A session length to recommend: to where fatigue begins; without fatigue, the length at which the
 * learner does best, if lengths differ at all; otherwise none. */
enum rhythm_method { RHYTHM_BY_NOTHING, RHYTHM_BY_FATIGUE, RHYTHM_BY_LENGTH };
struct rhythm_length {
    enum rhythm_method method;
    enum rhythm_reason reason; /* why none, or RHYTHM_OK */
    int64_t needed;
    double minutes;           /* NaN: none */
    struct interval interval; /* 95 %; of the lengths: from the shortest to the longest that may be
                                 best */
    int64_t n;
};
/* lengths: rhythm_slots() over the length buckets; from_minutes: their bounds, count + 1 of them.
 */
struct rhythm_length rhythm_length(const struct rhythm_fatigue *fatigue,
                                   const struct rhythm *lengths, const int32_t *from_minutes);
