/* bandit - which variant of personalisation to try on whom, and what it brought.
 *
 * Thompson sampling (Thompson 1933; Agrawal & Goyal 2012) on rewards within 0..1: an arm's success
 * share has the law Beta(a, b), and a reward r adds r to a and 1 - r to b. Old evidence fades by
 * `memory` with each reward, towards the prior (Garivier & Moulines 2011). The chance that each arm
 * is best is computed by integration, raised to a floor, and the arm is drawn from exactly these
 * numbers: the propensity logged with a decision is the true one.
 *
 * Rewards come late: a decision is pending until bandit_reward() or bandit_expire(). While frozen,
 * decisions follow the posterior means and nothing is learnt. A share of learners, by a hash of
 * their id, is held out: they always get BANDIT_CONTROL, and are what the others are compared with
 * (compare_cuped(), with each learner's outcome from before as the covariate; effects of several
 * measures or courses are pooled by meta_pool()).
 *
 * State is flat memory of fixed size. Pure: randomness is an argument. */
#pragma once
#include "base/err.h"
#include "base/rng.h"
#include "base/str.h"
#include "twin/stats.h"

#include <stdbool.h>

enum { BANDIT_VERSION = 1, BANDIT_ARMS_MAX = 8, BANDIT_CONTROL = 0 };

struct bandit {
    int32_t version, arm_count;
    bool frozen;
    double floor;  /* least propensity of each arm, 0 <= floor <= 1 / arm_count */
    double memory; /* 0 < memory <= 1: what a reward leaves of the evidence before it */
    struct bandit_arm {
        double a, b;             /* the prior included */
        double prior_a, prior_b; /* >= 1; Beta(1, 1) unless told otherwise */
        int64_t chosen, rewards; /* ever; rewards <= chosen */
        int64_t expired;
        double reward_sum;
    } arms[BANDIT_ARMS_MAX];
};
/* ERR_RANGE: an argument is outside the ranges above; arm_count 1..BANDIT_ARMS_MAX. */
MUST_CHECK enum err bandit_init(struct bandit *b, int32_t arm_count, double floor, double memory);
/* Before any reward of the arm: it begins as if rewards of that mean had come, worth `strength` of
 * them. mean 0..1, strength >= 0; 0: as without. */
void bandit_set_prior(struct bandit *b, int32_t arm, double mean, double strength);
bool bandit_valid(const struct bandit *b); /* of what was read back */

/* The chance that each arm is the best, floor included; they sum to 1. Frozen: 1 for the arm of the
 * highest mean (the first of equals), 0 for the others. About a millisecond for four arms. */
void bandit_propensities(const struct bandit *b, double ret[BANDIT_ARMS_MAX]);

struct bandit_decision {
    int32_t arm;
    double propensity; /* of that arm, when it was drawn */
    bool learnable;    /* false: frozen, its reward is not learnt from */
};
struct bandit_decision bandit_choose(struct bandit *b, struct rng *rng);
/* ERR_RANGE: a reward outside 0..1, or an arm that is not there. ERR_CONFLICT: the arm has no
 * decision pending. */
MUST_CHECK enum err bandit_reward(struct bandit *b, const struct bandit_decision *d, double reward);
/* The outcome never came. It is counted, and teaches nothing: silence is not failure. */
MUST_CHECK enum err bandit_expire(struct bandit *b, const struct bandit_decision *d);

/* In the holdout? The same answer for the same id and salt; share 0..1. */
bool bandit_held_out(struct str learner_id, uint64_t salt, double share);

/* What came of a decision. retention and performance -1..1, completion 0..1, satisfaction 1..5 or
 * NaN for none. */
struct bandit_outcome {
    double retention, performance, completion, satisfaction;
};
/* The reward as the interface has always had it: (.4 r + .3 p + .2 c + .1 (s - 1)/4 + 1) / 2, no
 * satisfaction counting as 0. It cannot come below .15, and a middling outcome is above one half.
 */
double bandit_reward_legacy(const struct bandit_outcome *o);
/* What is learnt from: the same weights over what is present, each part stretched to 0..1, so that
 * the worst is 0, the best 1 and no change with half completed one half. */
double bandit_reward_of(const struct bandit_outcome *o);
/* .6 / (1 + exp(-(n - 25) / 10)) + .4 max(0, 1 - 10 sd of Beta(a, b)); .5 before any pull. */
double bandit_confidence_legacy(int64_t pulls, double a, double b);

/* ---- what another policy would have brought, from logged decisions ---- */

struct bandit_log {
    int32_t arm;
    double propensity;              /* > 0 */
    double reward;                  /* 0..1 */
    double target[BANDIT_ARMS_MAX]; /* the other policy's chances in that situation; sum 1 */
};
struct bandit_value {
    double value;             /* NaN: not to be had */
    struct interval interval; /* 95 % by the normal law; snips: within 0..1 */
};
enum { BANDIT_EFFECTIVE_NEEDED = 10 };
struct bandit_evaluation {
    struct bandit_value ips;           /* Horvitz & Thompson 1952 */
    struct bandit_value snips;         /* weights normalised (Swaminathan & Joachims 2015) */
    struct bandit_value doubly_robust; /* Dudik, Langford & Li 2011; arm means leave the row out */
    double n_effective; /* (sum w)^2 / sum w^2; below BANDIT_EFFECTIVE_NEEDED: values are NaN */
    double weight_max;
    int64_t n;
};
/* ERR_RANGE: a row outside the ranges above (targets are not negative and sum to 1 within 1e-6). */
MUST_CHECK enum err bandit_evaluate(const struct bandit_log *log, int64_t n, int32_t arm_count,
                                    struct bandit_evaluation *ret);
