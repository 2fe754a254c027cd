/* memory - what a learner still remembers of a card: FSRS-6.
 *
 * State: stability S, the gap in days after which recall has fallen to 0.9; difficulty D, 1..10.
 * A review moves the state; between reviews recall falls by a power law of the time elapsed.
 * Source of the formulas and of the default weights: the open Free Spaced Repetition Scheduler,
 * version 6 (Ye, Su & Cao 2022, KDD, for the family). Pure: no clock, no globals.
 *
 * A card without a review has no state: recall is unknown, not zero. */
#pragma once
#include "base/err.h"

#include <stdbool.h>
#include <stdint.h>

enum { MEMORY_WEIGHTS = 21 };
#define MEMORY_S_MIN 0.001   /* days */
#define MEMORY_S_MAX 36500.0 /* days */

enum memory_grade { GRADE_AGAIN = 1, GRADE_HARD, GRADE_GOOD, GRADE_EASY };

struct memory_weights {
    double w[MEMORY_WEIGHTS];
};

struct memory_state {
    double stability;  /* days, MEMORY_S_MIN..MEMORY_S_MAX; 0: no review yet */
    double difficulty; /* 1..10 */
};

extern const struct memory_weights memory_default;

/* The range in which weight i is meant to lie. */
void memory_weight_range(int i, double *ret_min, double *ret_max);
/* From 17 (version 4.5), 19 (5) or 21 numbers; values are clamped to their ranges.
 * ERR_RANGE: another count, or a number that is not finite. */
MUST_CHECK enum err memory_weights_from(const double *numbers, int count,
                                        struct memory_weights *ret);

/* Probability of recall after `days` (>= 0, fractions allowed) at stability S > 0. R(S, S) = 0.9.
 */
double memory_recall(const struct memory_weights *w, double stability, double days);
/* The same for many gaps of one learner: R = exp(-w20 * log1p(pace * days / S)). */
double memory_pace(const struct memory_weights *w);
/* The gap in days, not rounded, after which recall has fallen to `retention` (0 < retention < 1);
 * 0 for retention 1. */
double memory_interval(const struct memory_weights *w, double stability, double retention);
/* The same in whole days, half to even, within 1..max_days. */
int32_t memory_interval_days(const struct memory_weights *w, double stability, double retention,
                             int32_t max_days);

/* The state after a review with `grade`, `days` whole days after the one before (0: the same day).
 * A state with stability 0 is a first review. A grade outside 1..4 leaves the state as it is.
 * Same-day growth never falls below 1 from Hard up. */
struct memory_state memory_review(const struct memory_weights *w, struct memory_state state,
                                  enum memory_grade grade, double days);

/* A state from an SM-2 scheduler: ease factor, current interval in days, its wanted retention. */
struct memory_state memory_from_sm2(const struct memory_weights *w, double ease,
                                    double interval_days, double retention);

/* The whole days among which an interval may be spread so that cards learned together part.
 * Intervals under 2.5 days are not spread: both ends are the interval. */
void memory_fuzz_range(double interval_days, int32_t max_days, int32_t *ret_low, int32_t *ret_high);
