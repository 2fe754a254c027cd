/* recall - will this card be remembered now? A forecast that is calibrated to the learner.
 *
 * FSRS's curve (memory.h) says how recall falls for people in general. On top of it stands a
 * logistic regression on a few inputs of the moment (that curve's log odds, the time elapsed,
 * lapses, how the learner has done lately ...) whose weights belong to the learner and move with
 * every review: Bayesian, by one step of the extended Kalman filter per review, so that the
 * uncertainty of the weights is known and few reviews move them no further than they should (Penny
 * & Roberts 1999). The prior is the population's; its mean is "as the curve says". Pure: no clock,
 * no I/O. */
#pragma once
#include "twin/memory.h"

#include <stdbool.h>
#include <stdint.h>

enum { RECALL_INPUTS = 22 };

/* Two forecasts of the same outcomes, averaged by how well each has done: Bayesian model averaging
 * from even odds, which loses at most log 2, over all outcomes together, against the better one.
 * Served is the average of the regression and of FSRS fitted to the learner (memory_fit.h): the
 * first wins with many reviews, the second with few. Zeroed: even odds. */
struct recall_trust {
    double log_odds; /* of the first against the second */
};

/* What one card's past says. Zeroed: never reviewed. */
struct recall_card {
    struct memory_state memory;
    uint32_t reviews, lapses; /* lapses: forgotten at least a day after the review before */
    uint32_t streak;          /* remembered in a row */
    float last_gap_days; /* between the two latest reviews that were a day or more apart; 0 none */
    int32_t last_day;    /* of the latest review, days since 1970 in the learner's reckoning */
    uint8_t last_grade;  /* enum memory_grade; 0 none */
};

/* What the learner has done lately, over reviews a day or more after the one before. */
struct recall_level {
    float recent[3];  /* share remembered, weighted towards the last 5, 20, 100 */
    uint32_t reviews; /* that were counted */
    uint32_t today, today_recalled;
    int32_t day;    /* that `today` speaks of */
    int64_t last_s; /* time of the latest review of any card, seconds; 0 none */
};

/* The learner's weights: their means, and the uncertainty of and between them. */
struct recall_weights {
    double mean[RECALL_INPUTS];
    double covariance[RECALL_INPUTS][RECALL_INPUTS];
    uint32_t reviews; /* learnt from */
};

struct recall_inputs {
    double x[RECALL_INPUTS];
    double curve; /* probability by FSRS alone */
};

struct recall_forecast {
    double probability; /* 0.001..0.999, the weights' uncertainty taken into account */
    double logit, variance;
};

/* The prior: NULL, "as the curve says"; or what other learners came to (recall_population). */
void recall_weights_init(struct recall_weights *w, const struct recall_weights *prior);
/* The weights of one more learner out of this population: the mean of theirs; as variances how they
 * differ and how uncertain each one's are (empirical Bayes, by moments). Covariances are left out:
 * a few learners do not tell them. count 0: "as the curve says". */
void recall_population(const struct recall_weights *const *learners, int32_t count,
                       struct recall_weights *ret);
void recall_level_init(struct recall_level *l);

/* The inputs for a review of the card on `day` (>= its last day) at now_s (0: unknown). The card
 * must have been reviewed before. */
void recall_read(const struct memory_weights *fsrs, const struct recall_card *card,
                 const struct recall_level *level, int32_t day, int64_t now_s,
                 struct recall_inputs *ret);
void recall_predict(const struct recall_weights *w, const struct recall_inputs *in,
                    struct recall_forecast *ret);
/* The forecast that is shown and counted on: the same, but one that a longer absence never raises.
 * recall_predict() may promise that: its inputs pull both ways, and unsure weights draw what is
 * small back to the middle. So the least is taken of what it says after 1, 2, 4, 8 .. days, up
 * to the gap, and in between the log odds run straight over the log of the days. All else is as on
 * `day`: the learner's form of the day, and the pause before, are no absence from this card.
 * 0.001..0.999. */
double recall_forecast(const struct recall_weights *w, const struct memory_weights *fsrs,
                       const struct recall_card *card, const struct recall_level *level,
                       int32_t day, int64_t now_s);
/* The same, with how sure the weights are of it: 95 %. */
double recall_forecast_surely(const struct recall_weights *w, const struct memory_weights *fsrs,
                              const struct recall_card *card, const struct recall_level *level,
                              int32_t day, int64_t now_s, double *ret_low, double *ret_high);
/* After the outcome is known; `f` is the forecast made from the same inputs. */
void recall_learn(struct recall_weights *w, const struct recall_inputs *in,
                  const struct recall_forecast *f, bool remembered);
/* Moves card and level on by one review. Call after recall_learn(). */
void recall_review(const struct memory_weights *fsrs, struct recall_card *card,
                   struct recall_level *level, enum memory_grade grade, int32_t day, int64_t now_s);

/* Probabilities are taken as within 0.001..0.999, which is what comes back too. */
double recall_trust_average(const struct recall_trust *t, double first, double second);
void recall_trust_learn(struct recall_trust *t, double first, double second, bool remembered);
